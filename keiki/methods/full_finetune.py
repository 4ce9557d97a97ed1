"""Full fine-tuning: every weight moves, at a small rate, from the pretrained point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.core.options import option
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import Start, TuningConfig


@METHODS.add("full-finetune")
class FullFinetune(Tuning):
    """All weights follow the gradient of the cross-entropy, by AdamW with linear warm-up and cosine decay.

    One fold of the training items is held back; kept is the last state whose log loss on it, at the best temperature,
    is not above the lowest by more than a standard error (early stopping).
    Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?", arXiv:1411.1792; AdamW:
    Loshchilov and Hutter 2019, arXiv:1711.05101. Deviation: the head learns at a rate of its own.
    """

    name = "full-finetune"
    paper = "arXiv:1411.1792"
    title = "full fine-tuning"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        start: Start = option("zeros", "head to start from: a linear probe solved on the frozen features, or zeros")

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
