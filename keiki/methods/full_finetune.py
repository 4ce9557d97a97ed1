"""Full fine-tuning: every weight moves, at a small rate, from the pretrained point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.core.options import Linear, Log, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import Start, TuningConfig


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
    class Config(TuningConfig):
        learning_rate: float | Auto = option(
            1e-4, "peak rate of the pretrained weights nearest to the head (AdamW)", search=Log(1e-6, 1e-2)
        )
        patience: int | Auto = option(
            3,
            "epochs without a better validation loss before it stops; auto: all there are; 3 with unfreeze=stall",
            search=Linear(1, 50),
        )
        label_smoothing: float | Auto = option(
            0.0, "share of the target that is spread over all classes; auto: 0.1", search=Linear(0.0, 0.5)
        )
        start: Start = option("zeros", "head to start from: a linear probe solved on the frozen features, or zeros")

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
