"""The recipe by the size of the data: what 'auto' stands for, by a written rule.

n: items that are learned from; m = n / classes; b: items a step. The evidence is in docs/log.md ("what moved it").

    batch_size      16 below 200 items, else 32
    epochs          as many as make about 150 steps: at least 10, at most 30
    patience        as many as the epochs: a schedule that is cut has not come to rest; 3 where a stall wakes stages
    learning_rate   2e-4; texts a fifth of it
    head_rate       so that a step moves a logit by a quarter: 0.25 / spread (see Size); of a bent head 1e-3
    label_smoothing 0.1, unless the loss is focal
    freeze          m < 50: all but the last third of the stages; m < 500: all but the last two thirds; else none
    augment         its own rule by m (`keiki.methods.augmenting`)

What was set by hand is never touched, and each number that the rule has set is told with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np

from keiki.core.options import Config
from keiki.data.task import Modality
from keiki.methods.tuning_config import TuningConfig

STEPS = 150
FEWEST_EPOCHS, MOST_EPOCHS = 10, 30
SMALL = 200  # items, below which a step takes 16
STALL = 3  # epochs without a better loss
RATE = 2e-4
TEXT_FACTOR = 1 / 5
HEAD_STEP = 0.25  # by which a step of AdamW, whose size is the rate, moves the logits of an item
BENT_RATE = 1e-3  # of a head that is not linear in the features
SLOWEST, FASTEST = 1e-5, 1e-1  # the head's rate, whatever the features
FEW, SOME = 50, 500  # items a class
SMOOTHING = 0.1


@dataclass(frozen=True)
class Size:
    """What the rule goes by: items that are learned from, classes, modality, stages of the network, and `spread`, the
    mean L1 distance of an item's features from their mean (nan where nothing depends on it).

    Backbones differ in it by a factor of 20, and so does the rate at which a head on them learns.
    """

    items: int
    classes: int
    modality: Modality
    stages: int
    spread: float = nan

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
    if config.unfreeze == "stall":
        decide("patience", STALL, "epochs that make a stall, which wakes the next stage")
    decide("patience", int(config.epochs), "all epochs: a schedule that is cut has not come to rest")
    decide("freeze", *_freeze(size))
    text = size.modality == "text"
    decide("learning_rate", RATE * (TEXT_FACTOR if text else 1.0), "texts" if text else "pictures")
    decide("head_rate", *_head_rate(config, size))
    if config.focal_gamma:
        decide("label_smoothing", 0.0, "the loss is focal")
    decide("label_smoothing", SMOOTHING, "so that the body goes on learning when the training items are right")
    return config, told


def _freeze(size: Size) -> tuple[str, str]:
    each = f"{size.a_class:.0f} items a class"
    if size.a_class >= SOME:
        return "none", f"{each}: enough to move every stage"
    moving = max(1, round(size.stages * (1 if size.a_class < FEW else 2) / 3))
    return f"-{moving}", f"{each}: the last {moving} of {size.stages} stages move"


def _head_rate(config: TuningConfig, size: Size) -> tuple[float, str]:
    if config.head != "linear" or not size.spread > 0:
        return BENT_RATE, "the head is not linear in its features" if config.head != "linear" else "no features differ"
    rate = float(np.clip(HEAD_STEP / size.spread, SLOWEST, FASTEST))
    return rate, f"a step moves a logit by about {HEAD_STEP:g} on these features"


def _is_auto(config: Config, name: str) -> bool:
    return bool(getattr(config, name) == "auto")
