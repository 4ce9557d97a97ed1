"""LP-FT: first the probe, then fine-tuning from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.errors import DataError, TrainingError
from keiki.data.folds import inner_folds
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.full_finetune import TuningConfig, keep_validation_logits, tune, validation_rows, with_network
from keiki.methods.linear_probe import LinearProbe


@METHODS.add("lp-ft")
class LpFt(Method):
    """Solve the linear probe, put its head on the network, then fine-tune everything.

    A head that already fits keeps the features from being distorted in the first steps. The probe sees only what
    fine-tuning learns from, so the fold that stops training is unseen by both.
    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
    arXiv:2202.10054. Deviation: early stopping may keep the probe itself.
    """

    name = "lp-ft"
    family = "fine-tuning"
    paper = "arXiv:2202.10054"
    title = "linear probe, then fine-tuning"
    quick = False
    gradient = True
    Config = TuningConfig

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return with_network(super().build(backbone, target, bank))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from LinearProbe().phases(model, learning_part(view))
        yield Solve("place head", lambda: _place(model))
        yield tune(model, view, self.config)
        yield Solve("validate", lambda: keep_validation_logits(model, view))


def learning_part(view: TrainView) -> TrainView:
    """The view without the rows that stop training; the other folds stay, or are dealt anew where only one is left."""
    learn, _ = validation_rows(view)
    part = view.subset(learn)
    if len(np.unique(part.folds[0])) > 1:
        return part
    folds = inner_folds(part.labels, part.groups, np.zeros(len(part), dtype=np.bool_), view.random.child("learn"))
    if len(np.unique(folds[0])) < 2:
        raise DataError(
            "LP-FT keeps one group of training items apart to stop by, and needs two more to choose its probe by.",
            hint="Add items of other groups, or use --method linear-probe.",
        )
    return replace(part, folds=folds)


def _place(model: Model) -> None:
    from keiki.nn.network import put_head

    if model.head is None:
        raise TrainingError("lp-ft wants to place a head, but its probe has left none.")
    put_head(model.network, model.head)
