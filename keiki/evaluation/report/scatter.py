"""Geometry of the map of judged items: a symbol of its own for each of eight classes, mistakes outlined.

Colours are those of Okabe and Ito (2008), which differ for every kind of colour vision; shapes say the same once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from keiki.evaluation.report.insight import Map

SIDE = 1000  # units of the drawing; points lie within MARGIN of its edge
MARGIN = 24
SYMBOLS = 8  # classes with one of their own, those with most mistakes; the others share a small grey dot

# Paths that begin at the point they stand for; about 20 units wide, filled.
SHAPES = (
    "m-11 0a11 11 0 1 0 22 0a11 11 0 1 0-22 0z",  # circle
    "m-9-9h18v18h-18z",  # square
    "m0-13 12 21h-24z",  # triangle
    "m0-13 13 13-13 13-13-13z",  # diamond
    "m0 13 12-21h-24z",  # triangle on its tip
    "m-4-12h8v8h8v8h-8v8h-8v-8h-8v-8h8z",  # cross
    "m-13 0 6-11h14l6 11-6 11h-14z",  # hexagon
    "m0-14 4 10h10l-8 6 3 11-9-7-9 7 3-11-8-6h10z",  # star
)
DOT = "m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z"


@dataclass(frozen=True)
class Point:
    """A symbol's path, what it says when pointed at, and whether the answer was wrong."""

    path: str
    says: str
    wrong: bool


@dataclass(frozen=True)
class Cloud:
    """The points of one class, or of all that have no symbol (`style` None)."""

    name: str
    style: int | None
    shape: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Scatter:
    """The clouds, symbols last so that they lie above the dots."""

    clouds: tuple[Cloud, ...]
    n_others: int
    n_wrong: int


def scatter(found: Map, names: Sequence[str]) -> Scatter:
    """The drawing of a map; `names` are those of the classes."""
    counts = Counter(found.true)
    missed = Counter(a for a, b in zip(found.true, found.said, strict=True) if a != b)
    ranked = sorted(counts, key=lambda c: (-missed[c], -counts[c], c))
    own = {c: style for style, c in enumerate(sorted(ranked[:SYMBOLS]))}
    by_class: dict[int | None, list[int]] = {None: []} | {c: [] for c in own}
    for row, c in enumerate(found.true):
        by_class[c if c in own else None].append(row)
    clouds = [
        Cloud(
            "other classes" if c is None else names[c],
            None if c is None else own[c],
            DOT if c is None else SHAPES[own[c]],
            tuple(_point(found, names, row, DOT if c is None else SHAPES[own[c]]) for row in rows),
        )
        for c, rows in by_class.items()
        if rows
    ]
    return Scatter(tuple(clouds), max(0, len(counts) - len(own)), missed.total())


def _point(found: Map, names: Sequence[str], row: int, shape: str) -> Point:
    true, said = found.true[row], found.said[row]
    span = SIDE - 2 * MARGIN
    x, y = (MARGIN + round(span * each / 1000) for each in (found.x[row], found.y[row]))
    answer = names[true] if true == said else f"{names[true]}, called {names[said]}"
    return Point(f"M{x} {y}{shape}", f"{answer} · {found.ids[row]}" if found.ids else answer, true != said)
