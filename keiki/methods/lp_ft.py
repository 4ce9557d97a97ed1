"""LP-FT: first the probe, then fine-tuning from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
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
        probe = replace(model, network=None, facts={})
        yield from LinearProbe().phases(probe, learning_part(view))
        yield Solve("place head", lambda: _place(model, probe))
        yield tune(model, view, self.config)
        yield Solve("validate", lambda: keep_validation_logits(model, view))


def learning_part(view: TrainView) -> TrainView:
    """The view without the rows that stop training; their fold is gone, the other folds stay."""
    learn, _ = validation_rows(view)
    return view.subset(learn)


def _place(model: Model, probe: Model) -> None:
    from keiki.nn.network import put_head

    assert probe.head is not None  # the probe's last phase has set it
    model.transform_name = probe.transform_name
    model.facts.update(probe.facts)
    put_head(model.network, probe.head)
