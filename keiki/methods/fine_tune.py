"""Fine-tuning by recipe: rates, epochs, augmentation and depth follow from the size of the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from keiki.core.options import Linear, Log, option
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import Auto, TuningConfig


@METHODS.add("fine-tune")
class FineTune(Tuning):
    """LP-FT whose depth, rates, epochs and augmentation follow from the number of items and of items a class.

    It begins at the linear probe; the stages below a depth lie still and answer from the cache, the others move at
    rates that fall towards the input. The rule is written down in `keiki.methods.recipe`, and run.json tells what it
    has set and why; what is set by hand stays as it is.
    Source: the idea of one heuristic for all sizes, Kolesnikov et al. 2020, "Big Transfer", arXiv:1912.11370, section
    3.3; starting from the probe, Kumar et al. 2022, arXiv:2202.10054. Deviation: the rule is our own, by measurement.
    """

    name = "fine-tune"
    paper = "arXiv:1912.11370"
    title = "fine-tuning by recipe"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        epochs: int | Auto = option("auto", "passes over the training items, at most", search=Linear(1, 50))
        learning_rate: float | Auto = option(
            "auto", "peak rate of the pretrained weights nearest to the head (AdamW)", search=Log(1e-6, 1e-2)
        )
        patience: int | Auto = option(
            "auto", "epochs without a better validation loss before it stops", search=Linear(1, 20)
        )
        head_rate: float | Auto = option("auto", "peak rate of the head", search=Log(1e-5, 1e-1))
        batch_size: int | Auto = option("auto", "items a step", search=Linear(2, 256))
        freeze: str = option(
            "auto", "stages that stay still: auto, none, the first k, all but the last k as -k, or up to NAME"
        )
        augment: Literal["auto", "none", "light", "medium", "strong"] = option(
            "auto", "how strongly training items vary: a level, or auto by the number of items a class"
        )
        layer_decay: float = option(0.8, "rate of a stage over that of the stage after it", search=Linear(0.3, 1.0))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        yield validate(model, view, self.config)
