"""LP-FT: first the probe, then fine-tuning from it."""

from __future__ import annotations

from collections.abc import Iterator

from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Tuning, start, tune, validate


@METHODS.add("lp-ft")
class LpFt(Tuning):
    """Solve the linear probe, put its head on the network, then fine-tune everything.

    A head that already fits keeps the features from being distorted in the first steps. The probe sees only what
    fine-tuning learns from, so the fold that stops training is unseen by both.
    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
    arXiv:2202.10054. Deviation: early stopping may keep the probe itself.
    """

    name = "lp-ft"
    paper = "arXiv:2202.10054"
    title = "linear probe, then fine-tuning"

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
