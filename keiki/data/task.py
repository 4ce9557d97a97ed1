"""The problem: items, what is to be predicted of them, and which of them may be seen when.

Items      N raw inputs, known by name and content hash, read only when asked
Dataset    what a source found: items, labels by name, given parts, groups, guesses said aloud, what was skipped
Target     one thing to predict and the names of its classes
Task       a dataset that has been split; knows no model
TrainView  all that a method sees of a task: never test, never hidden labels
Batch      arrays on their way into a network
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from keiki.core.errors import RequestError
from keiki.core.files import sha256_bytes
from keiki.core.random import Randomness
from keiki.data.folds import inner_folds

Modality = Literal["image", "text", "vector"]
Raw = Path | str | npt.NDArray[np.float32]  # the path of a picture, the text itself, or features as they are (D,)
Index = npt.NDArray[np.int64]
Spare = Mapping[str, tuple[str | None, ...]]  # cells (N,) by the name of their column


@dataclass(frozen=True)
class Items:
    """N raw inputs. `ids`: what a person calls them (relative path, row number); `digests`: SHA-256 of the content."""

    modality: Modality
    ids: tuple[str, ...]
    raws: tuple[Raw, ...] = field(compare=False)  # arrays have no single answer to ==; their digests do
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Sequence[int] | Index) -> Self:
        """The items at `index`, in that order."""
        at = [int(i) for i in index]
        return replace(
            self,
            ids=tuple(self.ids[i] for i in at),
            raws=tuple(self.raws[i] for i in at),
            digests=tuple(self.digests[i] for i in at),
        )

    def __add__(self, other: Items) -> Items:
        return Items(self.modality, self.ids + other.ids, self.raws + other.raws, self.digests + other.digests)


@dataclass(frozen=True)
class Skipped:
    """An item that is left out, and why.

    foreign: it was never meant as an item (a system file, a side file of another format), so nothing is lost.
    """

    id: str
    reason: str
    foreign: bool = False


Part = Literal["", "train", "val", "test", "added"]  # added: further items, which are only trained on
PARTS: dict[str, Part] = {  # what people call them, in folder names and columns
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",  # to some it is what choices are made by; as a test set it is never learned from in either case
    "evaluation": "test",
    "holdout": "test",
    "hold-out": "test",
    "held-out": "test",
}


@dataclass(frozen=True)
class Dataset:
    """What a source found.

    labels: (N,) class names, or None where the data carry none. parts: (N,) the split that the data themselves declare
    ('' where they declare none). groups: (N,) names of what belongs together, or None. times: (N,) seconds since 1970
    in UTC, or None. spare: columns that nobody asked for and that are called like ids of something, (N,) cells each,
    None where an item is from a table without that column.
    """

    name: str
    items: Items
    labels: tuple[str, ...] | None
    parts: tuple[Part, ...]
    groups: tuple[str, ...] | None = None
    times: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    spare: Spare = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: Sequence[int] | Index) -> Self:
        """The rows at `index`, in that order; notes and skipped stay."""
        at = [int(i) for i in index]
        return replace(
            self,
            items=self.items.take(at),
            labels=None if self.labels is None else tuple(self.labels[i] for i in at),
            parts=tuple(self.parts[i] for i in at),
            groups=None if self.groups is None else tuple(self.groups[i] for i in at),
            times=None if self.times is None else tuple(self.times[i] for i in at),
            spare={name: tuple(cells[i] for i in at) for name, cells in self.spare.items()},
        )

    def without(self, skipped: Iterable[tuple[int, Skipped]]) -> Self:
        """The dataset less some rows, which are listed as skipped."""
        gone = dict(skipped)
        kept = self.take([i for i in range(len(self)) if i not in gone])
        return replace(kept, skipped=(*self.skipped, *gone.values()))


@dataclass(frozen=True)
class Target:
    """One thing to predict. kind 'class': exactly one of `classes` (names, in the order of the model's outputs)."""

    classes: tuple[str, ...]
    name: str = "label"
    kind: Literal["class"] = "class"

    def encode(self, labels: Sequence[str]) -> Index:
        """Class names to positions (N,) int64; by name, so a split that lacks a class shifts nothing.

        >>> Target(("cat", "dog")).encode(["dog", "dog"]).tolist()
        [1, 1]
        """
        position = {name: i for i, name in enumerate(self.classes)}
        return np.array([position[label] for label in labels], dtype=np.int64)


@dataclass(frozen=True)
class TrainView:
    """Training items and their labels; the only part of a task that a method or a selection ever sees.

    labels (N,) positions of classes; groups (N,) cluster numbers (items of one cluster never stand on two sides);
    folds (R, N) fold numbers of R repeated partitions; a validation set that was given is fold 0 of each.
    """

    items: Items
    target: Target
    labels: Index
    groups: Index
    folds: Index
    random: Randomness = field(default_factory=Randomness)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_classes(self) -> int:
        return len(self.target.classes)

    def subset(self, rows: Index) -> Self:
        """The view of some of its rows; what is left of the folds stays."""
        return replace(
            self,
            items=self.items.take(rows),
            labels=self.labels[rows],
            groups=self.groups[rows],
            folds=self.folds[:, rows],
        )


@dataclass(frozen=True)
class Task:
    """A dataset that has been split.

    train, val, test: positions into items. `protocol` says how the estimate will be made: 'given' and 'held-out' have
    test rows; 'nested' has none, and `outer` (R, N) holds the outer fold number of every item, -1 = never tested on,
    always on the training side. `groups` (N,) are cluster numbers: declared groups and duplicates joined.
    `declared` (N,) are the names of the groups that the user named, or None; `times` (N,) seconds since 1970 in UTC, or
    None; `spare`: as in `Dataset`.
    """

    name: str
    items: Items
    target: Target
    labels: Index
    groups: Index
    train: Index
    val: Index
    test: Index
    protocol: Literal["given", "held-out", "nested"]
    outer: Index
    random: Randomness
    declared: tuple[str, ...] | None = None
    times: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[dict[str, str], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    spare: Spare = field(default_factory=dict)

    @property
    def modality(self) -> Modality:
        return self.items.modality

    def training_view(self, among: Index | None = None) -> TrainView:
        """All training rows (validation rows included, marked by their fold), or those of them in `among`.

        Rows of the test set are never part of it; asking for one raises RequestError.
        """
        rows = np.sort(np.concatenate([self.train, self.val])) if among is None else np.asarray(among, dtype=np.int64)
        if np.isin(rows, self.test).any():
            raise RequestError("Rows of the test set cannot be part of a training view.")
        random = self.random.child("view", sha256_bytes(rows.tobytes()))
        labels, groups = self.labels[rows], np.unique(self.groups[rows], return_inverse=True)[1].astype(np.int64)
        folds = inner_folds(labels, groups, np.isin(rows, self.val), random)
        return TrainView(self.items.take(rows), self.target, labels, groups, folds, random)


@dataclass(frozen=True)
class Batch:
    """Arrays on their way into a network: named inputs (B, ...), labels (B,), and the items' positions (B,).

    partners (B,): the row of this batch that each row was mixed with; others (B,): its label; shares (B,): the share of
    the row's own label, the rest is the partner's, so that loss = share * l(label) + (1 - share) * l(other label). All
    three are None where nothing was mixed.
    """

    inputs: dict[str, npt.NDArray[np.generic]]
    labels: Index
    positions: Index
    partners: Index | None = None
    shares: npt.NDArray[np.float32] | None = None
    others: Index | None = None
