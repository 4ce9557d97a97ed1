"""Gradual unfreezing: first the head, then one stage more at a time, from the head down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from keiki.core.options import Linear, OneOf, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase, Schedule
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import SCHEDULES, Start, TuningConfig


@METHODS.add("gradual-unfreezing")
class GradualUnfreezing(Tuning):
    """The head learns first; every epoch (or whenever validation stalls) the next stage below begins to move.

    rate of stage l = rate of stage l + 1, divided by 2.6; what has not been reached lies truly still.
    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", arXiv:1801.06146,
    sections 3.2 and 3.3. Deviations: AdamW; rates rise and fall by one-cycle instead of slanted triangles.
    """

    name = "gradual-unfreezing"
    paper = "arXiv:1801.06146"
    title = "gradual unfreezing"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        epochs: int | Auto = option(15, "passes over the training items, at most", search=Linear(1, 50))
        schedule: Schedule = option("one-cycle", "how the rates go from their peak", search=OneOf(SCHEDULES))
        start: Start = option("zeros", "head to start from: a linear probe solved on the frozen features, or zeros")
        unfreeze: Literal["at once", "epoch", "stall"] = option(
            "epoch", "when stages begin to move: at once, one more an epoch, or one more when validation stalls"
        )
        head_epochs: int = option(1, "epochs in which only the head moves", search=Linear(0, 10))
        layer_decay: float = option(1 / 2.6, "rate of a stage over that of the stage after it", search=Linear(0.3, 1.0))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
