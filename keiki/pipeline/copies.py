"""Near copies of a run's training items among new data: saved again, resized, cropped a little, a word changed.

Exact copies are known by their digests, which travel in the bundle. For near ones the training items themselves are
needed: they are read again from where the fit found them, and what the fit computed of them is still in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keiki.artifacts.bundle import Bundle
from keiki.backbones.base import Backbone
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.errors import BundleError, KeikiError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.load import Pieces
from keiki.data.task import Dataset, Items, Part
from keiki.engines.plan import Plan
from keiki.pipeline.finished import at, find_run
from keiki.pipeline.folder import DONE, PLAN, read
from keiki.pipeline.prepare import choose_backbone, datasets, near_copies, read_all
from keiki.pipeline.request import FitRequest

MOST_ANEW = 2000  # training pictures that are looked at a second time, where the cache has lost them


@dataclass(frozen=True)
class NearTraining:
    """Rows of the new data that are near copies of training items; why_not: the sentence why they were not looked for,
    or not all of them."""

    rows: tuple[int, ...] = ()
    why_not: str = ""


def owner_of(path: Path) -> Path | None:
    """The run folder that a bundle lies in; None where it stands alone."""
    try:
        return find_run(path)
    except BundleError:
        return None


def near_training(path: Path, bundle: Bundle, data: Dataset, record: Record | None = None) -> NearTraining:
    """Near copies of training items among `data`; `path` is the run or bundle that `bundle` was opened by.

    Rows of numbers have none. Nothing of `data` changes what is found among the training items themselves.
    """
    if bundle.modality == "vector" or not len(data):
        return NearTraining()
    run = owner_of(path)
    if run is None:
        return _unknown("the bundle stands alone, without the run that it was made by")
    try:
        return _search(run, bundle, data, record or Record())
    except KeikiError as problem:
        return _unknown(f"the training items cannot be looked at again ({problem.what.rstrip('.')})")


def _unknown(why: str) -> NearTraining:
    return NearTraining(why_not=f"Near copies of training items were not looked for: {why}.")


def _search(run: Path, bundle: Bundle, data: Dataset, record: Record) -> NearTraining:
    config = at(read(run / DONE), "config")
    if not isinstance(config, dict) or "data" not in config:
        raise BundleError(f"'{run / DONE}' does not say where they are")
    if config.get("near_copies") == "apart":  # the user's word that they are items of their own
        return NearTraining()
    request = FitRequest.from_json(config)
    random, bank = Randomness(request.seed), FeatureBank(open_cache(), Plan.from_json(read(run / PLAN)), record)
    pieces, seen = read_all(request), bundle.seen()
    learned = _learned(pieces, seen)
    backbone = choose_backbone(request, learned.modality)
    readable = list(range(len(data)))
    if learned.modality == "image":
        _look(pieces, learned, data.items, bank, backbone)
        readable = [row for row, fact in enumerate(bank.facts(data.items, thumbnails=False)) if fact.error is None]
    parts = Pieces(_as_data(learned), None, _as_data(data.items.take(readable)))
    keys = near_copies(parts, bank, backbone, random).keys
    known = {keys[content] for content in learned.digests if content in keys}
    contents = data.items.digests
    rows = tuple(row for row in readable if contents[row] in keys and keys[contents[row]] in known)
    lost = len(seen) - len(set(learned.digests))
    gone = f"{lost} of {len(seen)} training items are not where they were; near copies of them were not looked for."
    return NearTraining(rows, gone if lost else "")


def _look(pieces: Pieces, learned: Items, new: Items, bank: FeatureBank, backbone: Backbone) -> None:
    """Look at the new pictures; the training items were looked at by the fit, and are registered as there."""
    for test in (False, True):
        for part in datasets(pieces):
            bank.register(part.items.take([i for i, name in enumerate(part.parts) if (name == "test") == test]))
    asked = [(backbone, next(iter(backbone.transforms())))]
    missing = bank.missing(learned, asked)[0]
    if missing > MOST_ANEW:
        raise BundleError(f"what the fit computed of {missing:,} of them is no longer in the cache")
    bank.register(new)
    bank.ensure(learned + new, asked)


def _learned(pieces: Pieces, seen: frozenset[str]) -> Items:
    """The training items that are still there, each content once."""
    items = pieces.data.items
    for part in datasets(pieces)[1:]:
        items = items + part.items
    first = {content: row for row, content in reversed(list(enumerate(items.digests))) if content in seen}
    if not first:
        raise BundleError("not one of them is there any more")
    return items.take(sorted(first.values()))


def _as_data(items: Items) -> Dataset:
    """Items alone, without labels, as a part of something."""
    nowhere: list[Part] = [""] * len(items)
    return Dataset("", items, None, tuple(nowhere))
