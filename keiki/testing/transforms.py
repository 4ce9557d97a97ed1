"""What every transform promises. `check_transform(transform, raws, folder)` runs all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keiki.backbones.base import FAMILIES, load
from keiki.core.errors import UnreadableItem
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform, restore
from keiki.data.transforms.flipped import FlippedTransform
from keiki.data.transforms.image import ImageTransform
from keiki.testing.backbones import some_raws
from keiki.testing.check import Checks, require

CHECKS = Checks()


@dataclass(frozen=True)
class Prepared:
    """A transform, raw items that it takes, one that nobody can read, and a folder."""

    transform: Transform
    raws: Sequence[Raw]
    bad: Raw
    folder: Path


def used(folder: Path) -> Iterator[tuple[str, Prepared]]:
    """Every transform of every backbone that can be opened here, for pictures mirrored too, by a name for people."""
    broken = folder / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for family in FAMILIES.values():
        for name in family.listed():
            backbone = load(name)
            raws = some_raws(backbone.card.modality, folder)
            bad: Raw = broken if backbone.card.modality == "image" else "  "
            for way, transform in backbone.fitted(raws).transforms().items():
                yield f"{name} {way}", Prepared(transform, raws, bad, folder)
                if isinstance(transform, ImageTransform):
                    yield f"{name} {way} flipped", Prepared(FlippedTransform(transform), raws, bad, folder)


def check_transform(ground: Prepared) -> None:
    """Hold a transform to every promise; raises AssertionError with the first one that it breaks."""
    for check in CHECKS.all():
        check(ground)


@CHECKS.add
def it_is_registered_under_its_kind(ground: Prepared) -> None:
    require(TRANSFORMS.get(ground.transform.kind) is type(ground.transform), "its kind names its class")


@CHECKS.add
def json_and_files_make_an_equal_one(ground: Prepared) -> None:
    described = json.loads(json.dumps(ground.transform.to_json(), allow_nan=False))
    for name, data in ground.transform.files().items():
        require(Path(name).name == name, "a file that travels along has a plain name")
        (ground.folder / name).write_bytes(data)
    again = restore(described, ground.folder)
    require(again.to_json() == ground.transform.to_json(), "the JSON survives")
    require(_same(_inputs(ground.transform, ground.raws), _inputs(again, ground.raws)), "so do the arrays, bit for bit")


@CHECKS.add
def it_gives_the_same_from_any_thread(ground: Prepared) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ground.transform.prepare, [*ground.raws, *ground.raws]))
    n = len(ground.raws)
    require(
        all(np.array_equal(found[i], found[n + i]) for i in range(n)), "prepared twice at once, the arrays are equal"
    )


@CHECKS.add
def collating_stacks_items_in_their_order(ground: Prepared) -> None:
    prepared = [ground.transform.prepare(raw) for raw in ground.raws]
    together = ground.transform.collate(prepared)
    for i, one in enumerate(prepared):
        for name, array in ground.transform.collate([one]).items():
            row = together[name][i]
            same = row[tuple(slice(0, size) for size in array.shape[1:])]
            require(np.array_equal(same, array[0]), "alone or in a batch an item has the same values")


@CHECKS.add
def its_cost_is_declared(ground: Prepared) -> None:
    costs = {ground.transform.cost(ground.transform.prepare(raw)) for raw in ground.raws}
    require(ground.transform.by_cost or costs == {0}, "items differ in cost only where by_cost says so")


@CHECKS.add
def what_cannot_be_read_has_a_reason(ground: Prepared) -> None:
    try:
        ground.transform.prepare(ground.bad)
    except UnreadableItem as problem:
        require(0 < len(problem.reason) < 200, "the reason is a short phrase")


def _inputs(transform: Transform, raws: Sequence[Raw]) -> dict[str, Array]:
    return transform.collate([transform.prepare(raw) for raw in raws])


def _same(first: dict[str, Array], second: dict[str, Array]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) and first[name].dtype == second[name].dtype for name in first
    )
