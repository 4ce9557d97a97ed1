"""What options on 'auto' have become where more decides than the size of the data, and why; a report lists it."""

from __future__ import annotations

from typing import Any

from keiki.methods.augmenting import Augmenting
from keiki.methods.base import Model
from keiki.methods.tuning_config import TuningConfig

VALIDATED = "validated"  # a fact: what `note_choice` was told

Choices = dict[str, dict[str, Any]]  # option -> value and why


def note_choice(model: Model, option: str, value: object, why: str) -> None:
    """Lay down what validation has chosen for an option."""
    model.facts[VALIDATED] = {**model.facts.get(VALIDATED, {}), option: {"value": value, "why": why}}


def found_out(model: Model, config: TuningConfig, variation: Augmenting) -> Choices:
    """What the counts of the classes, the items themselves, and validation have decided."""
    found: Choices = dict(model.facts.get(VALIDATED, {}))
    if config.balance == "auto":
        balance = model.facts["balance"]
        found["balance"] = {"value": balance["kind"], "why": balance["reason"]}
    if config.augment == "auto":
        found["augment"] = {"value": variation.facts["level"], "why": "the rule by modality and items a class"}
    if config.flip == "auto" and variation.augment is not None and "flip" in variation.facts:
        flip = "horizontal" if variation.facts["flip"] else "none"
        found["flip"] = {"value": flip, "why": variation.facts["flip_reason"]}
    return found
