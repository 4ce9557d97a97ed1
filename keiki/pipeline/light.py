"""A fit without the proof: one selection on all rows, no outer estimate, no report, no bundle. For `keiki.sklearn`.

Rows of numbers stay in memory. Features of pictures and texts go through the cache of the user, and through one bank
for the whole process: whatever subsets a cross-validation draws, each item is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from keiki.backbones.base import Backbone, load
from keiki.backbones.cache import Cache, open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.errors import DataError, TrainingError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.folds import inner_folds
from keiki.data.task import Index, Items, Target, TrainView
from keiki.engines.plan import Plan, make_plan
from keiki.methods.base import FloatArray, Method, Model
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import softmax
from keiki.nn.temperature import fit_temperature
from keiki.pipeline.method import make_method, refuse_modality
from keiki.pipeline.prepare import choose_backbone, choose_controls
from keiki.pipeline.public import DEFAULTS
from keiki.pipeline.request import FitRequest
from keiki.selection.budget import Budget
from keiki.selection.select import select
from keiki.selection.workshop import Outcome, Workshop


@dataclass(frozen=True)
class Learned:
    """What a light fit found: enough to answer, and to be pickled.

    own: a backbone without weights, None where one is loaded by its name. network: a tuned network, else None.
    """

    target: Target
    method: str
    backbone_name: str
    own: Backbone | None
    transform_name: str
    head: LinearHead | None
    network: Any
    temperature: float

    def probabilities(self, items: Items) -> FloatArray:
        """Calibrated probabilities (N, C); raises DataError where an item cannot be read."""
        bank = _tools().bank_for(items)
        backbone = _loaded(self.backbone_name) if self.own is None else self.own
        model = Model(backbone, self.target, bank, self.transform_name, head=self.head, network=self.network)
        if not backbone.direct:
            _refuse_unreadable(bank, items, [(backbone, self.transform_name)])
        return softmax(model.logits(items) / self.temperature)


def learn(request: FitRequest, items: Items, target: Target, labels: Index, groups: Index) -> Learned:
    """Choose and fit on all items; labels (N,) are positions of classes, groups (N,) what must not be parted.

    Of the request count method, options, backbone, controls and seed. Raises RequestError and DataError.
    """
    method = make_method(request)
    refuse_modality(method, items.modality)
    backbone = choose_backbone(request, items.modality)
    random = Randomness(request.seed)
    folds = inner_folds(labels, groups, np.zeros(len(items), dtype=np.bool_), random.child("view"))
    if len(np.unique(folds[0])) < 2:
        raise DataError(
            f"All {len(items)} items lie in one group, so none can be kept apart to choose by.",
            hint="Add items of other groups, or leave out the groups.",
        )
    view = TrainView(items, target, labels, np.unique(groups, return_inverse=True)[1], folds, random)
    tools = _tools()
    shop = Workshop(backbone, tools.cache, tools.bank, tools.plan, random, Record())
    if items.modality == "vector":
        outcome = shop.fit(method, view, items.take([]))
        temperature = _temperature(outcome, view)
    else:
        controls = [each for each in choose_controls(request, items.modality) if "candidate" in each.tags]
        outcome, temperature = _selected(shop, method, controls, view)
    name = DEFAULTS[items.modality] if request.backbone == "auto" else request.backbone
    return _kept(outcome, target, name, temperature)


def _selected(shop: Workshop, method: Method, controls: Sequence[Method], view: TrainView) -> tuple[Outcome, float]:
    """The winner among the method and the models without transfer that may ship, with a model, and its temperature."""
    shop.bank.register(view.items)
    wanted = [method.bring(shop.backbone, shop.random), *(each.bring(shop.backbone, shop.random) for each in controls)]
    asked = [(each, next(iter(each.transforms()))) for each in wanted if not each.direct]
    _refuse_unreadable(shop.bank, view.items, asked)
    nobody = view.items.take([])
    found = select(shop, view, nobody, [method], controls, Budget())
    outcome = found.outcomes[found.winner]
    if outcome.model is None:  # only its answers were remembered
        outcome = shop.fit(outcome.method, view, nobody)
    return outcome, found.temperatures[found.winner]


def _kept(outcome: Outcome, target: Target, name: str, temperature: float) -> Learned:
    model = outcome.model
    if model is None:
        raise TrainingError(f"Method '{outcome.method.name}' has left no model.")
    own = None if model.backbone.card.pretrained else model.backbone
    return Learned(target, outcome.method.name, name, own, model.transform_name, model.head, model.network, temperature)


def _temperature(outcome: Outcome, view: TrainView) -> float:
    rows = np.flatnonzero(np.isfinite(outcome.out_of_fold).all(axis=1))
    return fit_temperature(outcome.out_of_fold[rows], view.labels[rows]) if len(rows) else 1.0


def _refuse_unreadable(bank: FeatureBank, items: Items, asked: Sequence[tuple[Backbone, str | None]]) -> None:
    """Raise DataError for items that cannot be read; each is read and decoded once for all networks in `asked`."""
    if items.modality == "vector":
        return
    bank.ensure(items, asked)
    facts = bank.facts(items, thumbnails=False)
    bad = [f"{name}: {fact.error}" for name, fact in zip(items.ids, facts, strict=True) if fact.error is not None]
    if bad:
        more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(f"{len(bad)} of {len(items)} items cannot be read: {'; '.join(bad[:5])}{more}.")


class _ProcessBank(FeatureBank):
    """A bank for lists that overlap: what was registered before keeps its row, and a sample follows the content alone.

    So a fit on the same items draws the same sample, whatever was fitted before it in this process.
    """

    def register(self, items: Items) -> None:
        new = [row for row, content in enumerate(items.digests) if content not in self._places]
        if new:
            super().register(items.take(new))

    def knows(self, items: Items) -> bool:
        """Whether all items are registered."""
        return all(content in self._places for content in items.digests)

    def sample(self, items: Items, n: int) -> Index:
        order = np.argsort(np.array(items.digests), kind="stable")
        return np.sort(order[:n]).astype(np.int64)


@dataclass(frozen=True)
class _Tools:
    """What all light fits of a process share."""

    cache: Cache
    plan: Plan
    bank: _ProcessBank

    def bank_for(self, items: Items) -> FeatureBank:
        """The bank that knows `items` from a fit, or one for this list alone, so that answering keeps nothing."""
        if self.bank.knows(items):
            return self.bank
        bank = FeatureBank(self.cache, self.plan, Record())
        bank.register(items)
        return bank


def _tools() -> _Tools:
    cache = open_cache()
    return _tools_in(cache.root)


@cache
def _tools_in(root: Path) -> _Tools:
    """One for each folder of the cache."""
    kept, plan = open_cache(), make_plan()
    return _Tools(kept, plan, _ProcessBank(kept, plan, Record()))


@lru_cache(maxsize=8)
def _loaded(name: str) -> Backbone:
    return load(name)
