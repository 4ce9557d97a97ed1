"""From paths to a task: read, look at every item once, leave out what cannot be read, find near copies, split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.adding import added, read_added
from keiki.data.health import check
from keiki.data.load import Pieces, read_pieces
from keiki.data.near import Alike, Index, Links, Mask, by_content, joined, near_pictures, near_texts
from keiki.data.sources.base import Request
from keiki.data.split import Given, NearCopies, make_task
from keiki.data.task import Dataset, Items, Modality, Skipped, Task
from keiki.methods.base import METHODS, Method
from keiki.methods.public_start import PublicStart
from keiki.pipeline.pixels import dark_warnings, frame_notes
from keiki.pipeline.public import public_backbone
from keiki.pipeline.request import FitRequest
from keiki.pipeline.source import open_source
from keiki.selection.workshop import code_digest


@dataclass(frozen=True)
class Seen:
    """What was read, less what cannot be decoded, which items are near copies, and what is to be said of files."""

    pieces: Pieces
    alike: Alike
    notes: tuple[str, ...] = ()
    warnings: tuple[dict[str, str], ...] = ()

    def task(self, seed: int = 0, near_copies: NearCopies = "together") -> Task:
        """The task that they pose; near copies stay on one side, unless they are to stand apart."""
        pieces, alike = self.pieces, self.alike.keys
        task = make_task(pieces.data, val=pieces.val, test=pieces.test, seed=seed, alike=alike, near_copies=near_copies)
        return replace(task, notes=(*task.notes, *self.notes), warnings=(*task.warnings, *self.warnings))


def read_all(request: FitRequest) -> Pieces:
    """Read all data that the request names, with what is to be added to the training items."""
    files = Path(request.files) if request.files else None
    asked = Request(input=request.input, label=request.label, files=files, group=request.group, time=request.time)
    pieces = read_pieces(request.data, val=request.val, test=request.test, request=asked)
    if request.add is None:
        return pieces
    test, val = (each if isinstance(each, Dataset) else None for each in (pieces.test, pieces.val))
    return replace(pieces, data=added(pieces.data, check(read_added(Path(request.add), asked)), test, val))


def choose_backbone(request: FitRequest, modality: Modality) -> Backbone:
    """The model of the user's own, the backbone that was asked for, or the default of the modality."""
    source = open_source(request, modality)
    return public_backbone(request.backbone, modality) if source is None else source.backbone


def choose_controls(
    request: FitRequest, modality: Modality, method: Method | None = None, backbone: Backbone | None = None
) -> list[Method]:
    """The methods that this request runs beside its own: those without transfer, and `method` from the public start
    where `backbone` is another one."""
    if request.controls == "none":
        return []
    kinds = [kind for kind in METHODS.values() if "control" in kind.tags and modality in kind.modalities]
    chosen = [kind() for kind in kinds if (kind.quick or request.controls == "full") and "start" not in kind.tags]
    if method is not None and backbone is not None and _has_public_start(method, backbone):
        chosen.append(PublicStart.beside(method))
    return chosen


def _has_public_start(method: Method, backbone: Backbone) -> bool:
    """Whether the method would start elsewhere from the public backbone, and finds there what it needs."""
    known = "source head" not in method.needs or backbone.public.source_head() is not None
    return backbone.public is not backbone and backbone.body is backbone and known


def look(
    pieces: Pieces,
    bank: FeatureBank,
    backbone: Backbone,
    controls: Sequence[Method],
    random: Randomness,
    record: Record,
) -> Seen:
    """Decode every item once, keep the features that will be needed, drop what cannot be read, and find near copies."""
    asked = first_pass(backbone, controls, random)
    parts = datasets(pieces)
    register(pieces, bank)
    for part in parts:
        bank.ensure(part.items, asked, facts=True)

    def readable(part: Given) -> Given:
        return _readable(part, bank, record) if isinstance(part, Dataset) else part

    left = Pieces(_readable(pieces.data, bank, record), readable(pieces.val), readable(pieces.test))
    alike = near_copies(left, bank, backbone, random)
    record.event("near copies", sets=len(alike.sets), left_apart=alike.left_apart)
    facts = [fact for part in datasets(left) for fact in bank.facts(part.items, thumbnails=False)]
    return Seen(left, alike, frame_notes(facts), dark_warnings(facts))


def register(pieces: Pieces, bank: FeatureBank) -> None:
    """Make all items known to the bank, in the order that decides its shards."""
    parts = datasets(pieces)
    for items in (*(_rows(part, test=False) for part in parts), *(_rows(part, test=True) for part in parts)):
        bank.register(items)


def first_pass(backbone: Backbone, controls: Sequence[Method], random: Randomness) -> list[tuple[Backbone, str | None]]:
    """What every item is shown to once: backbones with their default transforms; others are fast, or see a sample."""
    wanted = [backbone, *(control.bring(backbone, random) for control in controls if control.max_items is None)]
    return [(each, next(iter(each.transforms()))) for each in wanted if not each.direct]


def datasets(pieces: Pieces) -> list[Dataset]:
    """The parts that were read from files: the data, and what was given for validation and test."""
    return [part for part in (pieces.data, pieces.val, pieces.test) if isinstance(part, Dataset)]


def near_copies(pieces: Pieces, bank: FeatureBank, backbone: Backbone, random: Randomness) -> Alike:
    """Sets of near copies over all parts, before any split. Rows of numbers have none."""
    items, learns = _distinct(pieces)
    if items.modality == "vector" or len(items) < 2:
        return Alike()

    def search() -> dict[str, Any]:
        if items.modality == "text":
            links = near_texts([str(raw) for raw in items.raws], learns)
        else:
            links = _near_pictures(items, learns, bank, backbone, random)
        sets, left_apart = joined(links, learns)
        found = by_content(sets, items.digests, left_apart)
        return {"sets": found.sets, "similarity": found.similarity, "left_apart": found.left_apart}

    facts = {
        "near copies": [list(items.digests), learns.tolist()],
        "by": [code_digest(), backbone.card.digest, random.seed],
    }
    found = bank.remember_json(facts, search)
    return Alike(tuple(map(tuple, found["sets"])), tuple(found["similarity"]), found["left_apart"])


def _near_pictures(items: Items, learns: Mask, bank: FeatureBank, backbone: Backbone, random: Randomness) -> Links:
    facts = bank.facts(items, thumbnails=False)

    def thumbnails(rows: Index) -> list[bytes]:
        return [fact.thumbnail for fact in bank.facts(items.take(rows))]

    return near_pictures(
        [fact.fingerprint for fact in facts],
        [fact.pixels for fact in facts],
        bank.extract(backbone, items),
        thumbnails,
        learns,
        random.numpy("near copies"),
    )


def _distinct(pieces: Pieces) -> tuple[Items, Mask]:
    """Each content once, and whether it may be learned from: it stands somewhere outside the test items."""
    items = pieces.data.items
    for part in datasets(pieces)[1:]:
        items = items + part.items
    learned = list(_learns(pieces))
    first: dict[str, int] = {}
    for row in sorted(range(len(items)), key=lambda row: not learned[row]):
        first.setdefault(items.digests[row], row)
    rows = sorted(first.values())
    return items.take(rows), np.array([learned[row] for row in rows], dtype=np.bool_)


def _learns(pieces: Pieces) -> Iterator[bool]:
    for part in datasets(pieces):
        for name in part.parts:
            yield name != "test" and part is not pieces.test


def _rows(part: Dataset, *, test: bool) -> Items:
    """Declared test items get shards of their own, so that a sample of training items touches few shards."""
    return part.items.take([i for i, name in enumerate(part.parts) if (name == "test") == test])


def _readable(part: Dataset, bank: FeatureBank, record: Record) -> Dataset:
    facts = bank.facts(part.items, thumbnails=False)
    broken = [(i, Skipped(part.items.ids[i], fact.error)) for i, fact in enumerate(facts) if fact.error is not None]
    for _, skipped in broken:
        record.event("skipped", id=skipped.id, reason=skipped.reason)
    return check(part.without(broken))
