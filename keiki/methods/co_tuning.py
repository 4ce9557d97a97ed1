"""Co-Tuning: the source classifier learns along, from what the new classes look like to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.options import Log, OneOf, option
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, FloatArray, Model, Phase, Solve
from keiki.methods.limits import refuse_outside
from keiki.methods.toward_source import add_source_head, moving_source_head, on_device, source_head
from keiki.methods.tuning import Tuning, learning_part, start, tune, validate
from keiki.methods.tuning_config import TuningConfig

if TYPE_CHECKING:
    from torch import Tensor

    from keiki.nn.network import Seen

RELATIONSHIP = "relationship"  # where p(z | y) lies: (C, Z)
MOST_ROWS = 20_000  # that the relationship is learned from; more say nothing new of it
LIKEST = 3  # source classes that are told of each class


@METHODS.add("co-tuning")
class CoTuning(Tuning):
    """Fine-tuning of the source classifier h beside the new head, each item of class y with the label p(z | y).

    cross-entropy + strength * mean( - sum_z p(z | y) log softmax(h(f(x)))_z ),  z the classes of the source

    p(z | y) is what class y looks like to the frozen network with its classifier, on the training items as they are:
    'reverse' by a calibrated regression and Bayes' rule, 'direct' by class means. h learns at the rate of the stage
    below it, and is not shipped. Source: You et al. 2020, "Co-Tuning for Transfer Learning", NeurIPS, equations 1 to
    3. Deviations: the source probabilities are not calibrated, for want of source data; the regression is chosen by
    log loss over the folds that training learns from, and sees at most 20,000 items; the head starts from a probe.
    """

    name = "co-tuning"
    paper = "You et al. 2020, NeurIPS"
    title = "co-tuning with the source classifier"
    needs = frozenset({"source head"})

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        strength: float = option(2.3, "weight of the source classifier's loss", search=Log(0.1, 10.0))
        relationship: Literal["reverse", "direct"] = option(
            "reverse",
            "how source and new classes are related: regression and Bayes, or means of each class",
            search=OneOf(("reverse", "direct")),
        )

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "strength", 0)

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return add_source_head(super().build(backbone, target, bank), self.name)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        from keiki.nn.distillation import soft_cross_entropy

        @cache  # read at the first step, when it is there
        def table() -> Tensor:
            return on_device(model, RELATIONSHIP)

        def penalty(seen: Seen) -> Tensor:
            ours = model.network.source_head(seen.features)
            both: Tensor = self.config.strength * soft_cross_entropy(ours, wanted(table(), seen))
            return both

        yield from start(model, view, self.config)
        yield Solve("relationship", lambda: relate(model, view, self.config))
        yield moving_source_head(tune(model, view, self.config, penalty=penalty), model)
        yield validate(model, view, self.config)


def wanted(table: Tensor, seen: Seen) -> Tensor:
    """p(z | y) of each item of a batch (B, Z); items that were mixed have their share of two."""
    import torch

    rows = table[seen.labels]
    if seen.batch.others is None or seen.batch.shares is None:
        return rows
    others, shares = (torch.from_numpy(array).to(rows.device) for array in (seen.batch.others, seen.batch.shares))
    return shares[:, None] * rows + (1 - shares[:, None]) * table[others]


def relate(model: Model, view: TrainView, config: CoTuning.Config) -> None:
    """Lay p(z | y) aside, from the frozen features of the items that training learns from."""
    from keiki.nn.relationship import direct, reverse

    part = learning_part(view, config)
    if len(part) > MOST_ROWS:
        part = part.subset(np.sort(part.random.numpy("relationship").choice(len(part), MOST_ROWS, replace=False)))
    probabilities = source_probabilities(model, part)
    facts: dict[str, Any] = {"how": config.relationship}
    if config.relationship == "direct":
        table = direct(probabilities, part.labels, part.n_classes)
    else:
        found = reverse(probabilities, part.labels, part.n_classes, part.folds[0])
        table = found.table
        facts |= {"strength": found.strength, "sharpness": found.sharpness}
    model.aside[RELATIONSHIP] = table.astype(np.float32)
    model.facts["relationship"] = facts | {"likest": _likest(model, table)}


def source_probabilities(model: Model, part: TrainView) -> FloatArray:
    """What the frozen network says of each item in terms of the source classes (N, Z), in float64."""
    from keiki.nn.softmax import softmax

    return softmax(source_head(model, CoTuning.name).head.logits(model.features(part.items)))


def _likest(model: Model, table: FloatArray) -> dict[str, list[list[Any]]]:
    """For each new class the source classes that it looks most like, with their shares."""
    names = source_head(model, CoTuning.name).classes
    order = np.argsort(-table, axis=1, kind="stable")[:, :LIKEST]
    return {
        own: [[names[z], round(float(table[y, z]), 4)] for z in order[y]] for y, own in enumerate(model.target.classes)
    }
