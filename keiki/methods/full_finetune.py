"""Full fine-tuning: every weight moves, at a small rate, from the pretrained point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.core.options import Log, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import PlainConfig


@METHODS.add("full-finetune")
class FullFinetune(Tuning):
    """All weights follow the gradient of the cross-entropy, by AdamW with linear warm-up and cosine decay.

    One fold of the training items is held back; kept is the last state whose log loss on it, at the best temperature,
    is not above the lowest by more than a standard error (early stopping).
    Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?", arXiv:1411.1792; AdamW:
    Loshchilov and Hutter 2019, arXiv:1711.05101. Deviation: the head learns at a rate of its own. It is the plain thing
    that other methods are compared with: no smoothed labels, no start from a probe, a rate that is usual.
    """

    name = "full-finetune"
    paper = "arXiv:1411.1792"
    title = "full fine-tuning"

    @dataclass(frozen=True, kw_only=True)
    class Config(PlainConfig):
        learning_rate: float | Auto = option(
            1e-4, "peak rate of the pretrained weights nearest to the head (AdamW)", search=Log(1e-6, 1e-2)
        )

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
