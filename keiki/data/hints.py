"""Items that probably belong together though nobody said so: names with a common start, bursts, columns of ids.

Only hints: nothing is kept together for them. A hint is given where its groups could be those of patients, plants or
cameras: many groups, most of them with several items, none with a large part of all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

SECONDS = 5  # between one picture of a burst and the next
FEWEST_GROUPS = 5
LARGEST_SHARE = 0.2  # of all items in one group
SHARED = 0.5  # share of the items that are not alone in their group; of bursts a tenth of that
GROUPS_A_CLASS = 2.0  # fewer groups than that for each class are rather classes themselves
LIFT = 2.0  # how much more often the nearest item of the class is of the group than by chance

_SEPARATORS = re.compile(r"[_\-. ()\[\]]+")
_PIECES = re.compile(r"\d+|[^\W\d_]+")
_THINGS = (
    "patient|subject|user|customer|client|author|person|speaker|session|visit|study|case|family|plant|tree|animal|site|"
    "location|device|camera|sensor|account|thread|ticket|conversation|household|donor|slide|sample|specimen|store|shop|"
    "video|scene|participant|student|doctor|clinic|hospital|company|product|order|batch|series|individual|reporter|"
    "group|cluster"
)
_NUMBERED = r"(?:[\W_]?(?:id|no|nr|num|number|name|key|code))?"
_ID = re.compile(rf"(?:^|[\W_])(?:{_THINGS})s?{_NUMBERED}$|(?:^|[\W_])(?:[gu]u)?id$")

Keys = tuple[str | None, ...]  # (N,) the group of each item; None = of no group
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Hint:
    """Groups that suggest themselves: by `name`, with a key for each item."""

    how: Literal["prefix", "burst", "column"]
    name: str
    keys: Keys

    @property
    def n_groups(self) -> int:
        """Groups with several items."""
        return sum(count > 1 for count in self._counts().values())

    @property
    def n_items(self) -> int:
        """Items in such groups."""
        return sum(count for count in self._counts().values() if count > 1)

    def examples(self, names: Sequence[str], most: int = 3) -> tuple[str, ...]:
        """The names of the first items of the largest group."""
        key = max(self._counts().items(), key=lambda each: each[1])[0]
        return tuple(name for name, each in zip(names, self.keys, strict=True) if each == key)[:most]

    def _counts(self) -> Counter[str]:
        return Counter(key for key in self.keys if key is not None)


def parted(hint: Hint | None, clusters: Sequence[int]) -> Hint | None:
    """The hint less the groups that stay on one side anyway; None where nothing is left of it.

    clusters (N,): numbers of what is kept together, as near copies are.

    >>> hint = parted(Hint("column", "thread", ("a", "a", "b", "b", "c")), [1, 1, 2, 3, 4])
    >>> (hint.n_groups, hint.keys) if hint else None
    (1, (None, None, 'b', 'b', 'c'))
    """
    if hint is None:
        return None
    own: dict[str, set[int]] = {}
    for key, cluster in zip(hint.keys, clusters, strict=True):
        if key is not None:
            own.setdefault(key, set()).add(int(cluster))
    counts = Counter(key for key in hint.keys if key is not None)
    torn = {key for key, found in own.items() if len(found) > 1}
    left = Hint(hint.how, hint.name, tuple(key if key in torn or counts[key or ""] == 1 else None for key in hint.keys))
    return left if torn else None


def by_prefix(ids: Sequence[str], labels: Sequence[object]) -> Hint | None:
    """Groups by how the names of files begin: 'img_012_a.jpg' and 'img_012_b.jpg' are of 'img_012'.

    Of several ways to cut the names the coarsest plausible one is taken: what is kept together needlessly costs less
    than what is not.

    >>> hint = by_prefix([f"cat/p{i // 3:02d}_{i % 3}.png" for i in range(30)], ["cat", "dog"] * 15)
    >>> (hint.n_groups, hint.examples([str(i) for i in range(30)])) if hint else None
    (10, ('0', '1', '2'))
    """
    paths = [PurePosixPath(each) for each in ids]
    stems = [path.stem for path in paths]
    if len(set(stems)) < len(stems):  # numbers that begin anew in each folder
        stems = [str(path.with_suffix("")) for path in paths]
    ways = [
        _cut(stems, lambda pieces: pieces[:1]),
        _cut(stems, lambda pieces: pieces[:2]),
        _cut(stems, lambda pieces: pieces[:-1]),
        tuple(str(path.parent) if len(path.parts) > 1 else None for path in paths),
        tuple(_without_last_piece(stem) for stem in stems),
    ]
    hints = [Hint("prefix", "the beginning of file names", keys) for keys in ways if plausible(keys, labels)]
    return min(hints, key=lambda hint: hint.n_groups) if hints else None


def by_burst(ids: Sequence[str], taken: Sequence[str], labels: Sequence[object]) -> Hint | None:
    """Groups of pictures in one folder that were taken within seconds of one another; taken: as in `Fact`, '' unknown.

    >>> times = [f"2026-11-21T15:{i // 2:02d}:{i % 2:02d}" for i in range(12)]
    >>> hint = by_burst([f"{i}.jpg" for i in range(12)], times, ["a", "b"] * 6)
    >>> hint.n_groups if hint else None
    6
    """
    rows = [row for row, moment in enumerate(taken) if moment]
    folders = {row: str(PurePosixPath(ids[row]).parent) for row in rows}
    moments = {row: datetime.fromisoformat(taken[row]) for row in rows}
    rows.sort(key=lambda row: (folders[row], moments[row]))
    keys: list[str | None] = [None] * len(ids)
    for before, row in zip(rows, rows[1:], strict=False):
        near = folders[row] == folders[before] and (moments[row] - moments[before]).total_seconds() <= SECONDS
        if near:
            keys[before] = keys[before] or f"{folders[before]}/{taken[before]}"
            keys[row] = keys[before]
    found = tuple(keys)
    good = plausible(found, labels, SHARED / 10, classes=0.0)
    return Hint("burst", f"pictures taken within {SECONDS} seconds", found) if good else None


def by_column(columns: Mapping[str, Sequence[str]], labels: Sequence[object]) -> list[Hint]:
    """Columns that are called like the id of something and whose values occur several times.

    >>> found = by_column({"patient_id": [str(i // 4) for i in range(40)], "width": ["3"] * 40}, ["a", "b"] * 20)
    >>> [hint.name for hint in found]
    ['patient_id']
    """
    hints = []
    for name, cells in columns.items():
        keys = tuple(cell.strip() or None for cell in cells)
        if called_like_id(name) and plausible(keys, labels):
            hints.append(Hint("column", name, keys))
    return hints


def called_like_id(name: str) -> bool:
    """Whether a column is called like the id of something.

    >>> called_like_id("PatientID"), called_like_id("humid")
    (True, False)
    """
    return _ID.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()) is not None


def plausible(keys: Keys, labels: Sequence[object], shared: float = SHARED, classes: float = GROUPS_A_CLASS) -> bool:
    """Whether `keys` could be groups: see the head of this file."""
    counts = Counter(key for key in keys if key is not None)
    several = [count for count in counts.values() if count > 1]
    if len(several) < max(FEWEST_GROUPS, classes * len(set(labels))):
        return False
    return sum(several) >= shared * len(keys) and max(several) <= max(3, LARGEST_SHARE * len(keys))


def lift(features: Floats, labels: Sequence[object], keys: Keys) -> float:
    """How much more often than by chance the nearest item of the same class is of the same group; 1 = by chance.

    features (N, D). Groups that mean something (a patient, a camera) show: their items are alike beyond their class.

    >>> place = np.arange(12) // 2
    >>> features = np.column_stack([np.cos(place), np.sin(place)]) + 0.01 * np.arange(12)[:, None]
    >>> round(lift(features, ["a"] * 12, tuple(map(str, place))), 3)
    11.0
    """
    rows = np.asarray(features, dtype=np.float64) - np.mean(features, axis=0, dtype=np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    codes = np.unique([repr(label) for label in labels], return_inverse=True)[1]
    names = [f"alone {row}" if key is None else f"={key}" for row, key in enumerate(keys)]
    groups = np.unique(names, return_inverse=True)[1]
    hits, chance = 0.0, 0.0
    for c in np.unique(codes):
        own = np.flatnonzero(codes == c)
        if len(own) < 3:
            continue
        cosines = rows[own] @ rows[own].T
        np.fill_diagonal(cosines, -np.inf)
        hits += float((groups[own[cosines.argmax(axis=1)]] == groups[own]).sum())
        sizes = np.bincount(groups[own])[groups[own]]
        chance += float((sizes - 1).sum() / (len(own) - 1))
    return hits / chance if chance > 0 else 0.0


def _cut(stems: Sequence[str], keep: Callable[[list[str]], list[str]]) -> Keys:
    """What `keep` leaves of the pieces between separators, None where that is all or nothing."""
    pieces = [[piece for piece in _SEPARATORS.split(stem) if piece] for stem in stems]
    kept = [keep(each) for each in pieces]
    return tuple(
        "_".join(some) if some and len(some) < len(each) else None for some, each in zip(kept, pieces, strict=True)
    )


def _without_last_piece(stem: str) -> str | None:
    """'img12a' -> 'img12': without the last run of letters or of digits, where digits come before it."""
    pieces = _PIECES.findall(stem)
    kept = pieces[:-1]
    return "".join(kept) if any(piece.isdecimal() for piece in kept) else None
