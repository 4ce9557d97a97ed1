"""The chosen architecture trained from random weights: the dearest control, run with --controls full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from keiki.backbones.base import Backbone
from keiki.core.options import Log, option
from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.full_finetune import FullFinetune
from keiki.methods.tuning import Tuning, start, tune, validate


@METHODS.add("from-scratch")
class FromScratch(Tuning):
    """Full training of the same architecture from random weights, everything else as in full fine-tuning but its rates.

    Source: He et al. 2019, "Rethinking ImageNet Pre-training", arXiv:1811.08883 (compare at equal recipe).
    """

    name = "from-scratch"
    family = "control"
    paper = "arXiv:1811.08883"
    title = "same network trained from scratch"
    tags = frozenset({"control"})

    @dataclass(frozen=True, kw_only=True)
    class Config(FullFinetune.Config):
        learning_rate: float = option(1e-3, "peak rate of all weights (AdamW)", search=Log(1e-5, 1e-1))
        head_rate: float = option(1e-3, "peak rate of the head", search=Log(1e-5, 1e-1))
        batch_norm: Literal["still", "moving"] = option("moving", "whether statistics of moving BatchNorms stand still")

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return chosen.randomised(random.number("from scratch"))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
