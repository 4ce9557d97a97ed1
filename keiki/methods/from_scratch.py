"""The chosen architecture trained from random weights: the dearest control, run with --controls full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.options import Log, option
from keiki.core.random import Randomness
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.full_finetune import TuningConfig, keep_validation_logits, tune, with_network


@METHODS.add("from-scratch")
class FromScratch(Method):
    """Full training of the same architecture from random weights, everything else as in full fine-tuning.

    Source: He et al. 2019, "Rethinking ImageNet Pre-training", arXiv:1811.08883 (compare at equal recipe).
    """

    name = "from-scratch"
    family = "control"
    paper = "arXiv:1811.08883"
    title = "same network trained from scratch"
    tags = frozenset({"control"})
    quick = False
    gradient = True

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        learning_rate: float = option(1e-3, "peak rate of all weights (AdamW)", search=Log(1e-5, 1e-1))

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return chosen.randomised(random.number("from scratch"))

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return with_network(super().build(backbone, target, bank))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield tune(model, view, self.config)
        yield Solve("validate", lambda: keep_validation_logits(model, view))
