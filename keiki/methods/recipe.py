"""The recipe by the size of the data: what 'auto' stands for, by a written rule.

n: items that are learned from; m = n / classes; b: items a step. The evidence is in docs/log.md ("The recipe").

    batch_size      16 below 200 items, else 32
    epochs          as many as make about 600 steps: at least 6, at most 40
    patience        a quarter of the epochs, at least 3
    learning_rate   3e-4 where the lower stages lie still, else 1e-4; texts a third of it
    head_rate       ten times the rate of the body
    freeze          m < 50: all but the last third of the stages; m < 500: all but the last two thirds; else none
    augment         its own rule by m (`keiki.methods.augmenting`)

What was set by hand is never touched, and each number that the rule has set is told with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keiki.core.options import Config
from keiki.data.task import Modality
from keiki.methods.tuning_config import TuningConfig

STEPS = 600
FEWEST_EPOCHS, MOST_EPOCHS = 6, 40
SMALL = 200  # items, below which a step takes 16
RATE, WHOLE_RATE = 3e-4, 1e-4
TEXT_FACTOR = 1 / 3
HEAD_FACTOR = 10
FEW, SOME = 50, 500  # items a class
PATIENCE, LEAST_PATIENCE = 0.25, 3  # share of the epochs, and epochs: the first ones only warm up


@dataclass(frozen=True)
class Size:
    """What the rule goes by: items that are learned from, classes, modality, stages of the network."""

    items: int
    classes: int
    modality: Modality
    stages: int

    @property
    def a_class(self) -> float:
        return self.items / max(1, self.classes)


def settle(config: TuningConfig, size: Size) -> tuple[TuningConfig, dict[str, dict[str, Any]]]:
    """The options with a number for every 'auto', and for each of these its value and reason."""
    told: dict[str, dict[str, Any]] = {}

    def decide(name: str, value: Any, why: str) -> None:
        nonlocal config
        if _is_auto(config, name):
            config = replace(config, **{name: value})
            told[name] = {"value": value, "why": why}

    few = f"{size.items} items to learn from"
    decide("batch_size", 16 if size.items < SMALL else 32, few)
    steps = int(np.ceil(size.items / int(config.batch_size)))
    epochs = int(np.clip(round(STEPS / steps), FEWEST_EPOCHS, MOST_EPOCHS))
    decide(
        "epochs", epochs, f"about {STEPS} steps of {config.batch_size} items, {FEWEST_EPOCHS} to {MOST_EPOCHS} epochs"
    )
    waited = max(LEAST_PATIENCE, round(int(config.epochs) * PATIENCE))
    decide("patience", waited, f"{PATIENCE:.0%} of {config.epochs} epochs, at least {LEAST_PATIENCE}")
    decide("freeze", *_freeze(size))
    whole = config.freeze in ("none", "0")
    rate = (WHOLE_RATE if whole else RATE) * (TEXT_FACTOR if size.modality == "text" else 1.0)
    decide("learning_rate", rate, "every stage moves" if whole else "the lower stages lie still")
    decide("head_rate", HEAD_FACTOR * float(config.learning_rate), f"{HEAD_FACTOR} times that of the body")
    return config, told


def _freeze(size: Size) -> tuple[str, str]:
    each = f"{size.a_class:.0f} items a class"
    if size.a_class >= SOME:
        return "none", f"{each}: enough to move every stage"
    moving = max(1, round(size.stages * (1 if size.a_class < FEW else 2) / 3))
    return f"-{moving}", f"{each}: the last {moving} of {size.stages} stages move"


def _is_auto(config: Config, name: str) -> bool:
    return bool(getattr(config, name) == "auto")
