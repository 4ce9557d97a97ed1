"""From a dataset to a task: what is trained on, what the estimate is made from, what has to stay together.

Given parts are honoured. Otherwise a test set of a fifth is set apart from 2,000 items on; below, outer folds are made
(nested cross-validation) and no item is lost to a test set. Groups and exact duplicates stay on one side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keiki.core.errors import DataError, RequestError
from keiki.core.random import Randomness
from keiki.data.deal import clusters, deal
from keiki.data.doubles import double_warnings
from keiki.data.names import listing, natural
from keiki.data.task import Dataset, Index, Part, Skipped, Target, Task

NESTED_BELOW = 2000  # items; from here on a held-out fifth is judged precisely enough
REPEATED_BELOW = 200  # items; below, the outer folds are drawn three times
FOLDS = 5
HELD_OUT = 0.2

Given = Dataset | float | None


def make_task(
    dataset: Dataset, *, val: Given = None, test: Given = None, seed: int = 0, name: str | None = None
) -> Task:
    """The task that `dataset` poses. val, test: a dataset of their own, a share of the training items, or None.

    Raises DataError where there are no labels, fewer than two classes, or nothing that could be evaluated.
    """
    _check_shares(val, test)
    rows = _unseen_classes_out(_joined(dataset, val, test))
    target = Target(_classes(rows))
    labels = target.encode(rows.data.labels or ())
    groups = clusters(rows.data.items.digests, rows.data.groups or [None] * len(rows.data))
    random = Randomness(seed)
    if isinstance(test, float):
        rows = rows.moved("test", _drawn(rows, labels, groups, test, random.numpy("test")))
    elif not rows.has("test") and len(rows.at("train")) >= NESTED_BELOW:
        rows = rows.moved("test", _drawn(rows, labels, groups, HELD_OUT, random.numpy("test")))
    if isinstance(val, float):
        rows = rows.moved("val", _drawn(rows, labels, groups, val, random.numpy("val")))
    declared = isinstance(test, Dataset) or "test" in dataset.parts
    if declared and not rows.has("test"):
        raise DataError("No test item is of a class that the training data hold.", hint="Check the class names.")
    outer = np.full((0, len(labels)), -1, dtype=np.int64) if rows.has("test") else _outer(rows, labels, groups, random)
    judged = rows.at("test") if rows.has("test") else np.flatnonzero(outer.max(axis=0) >= 0)
    _refuse_nothing_judged(judged, target)
    return Task(
        name=name or dataset.name,
        items=rows.data.items,
        target=target,
        labels=labels,
        groups=groups,
        train=rows.at("train"),
        val=rows.at("val"),
        test=rows.at("test"),
        protocol="nested" if len(outer) else "given" if declared else "held-out",
        outer=outer,
        random=random,
        notes=(*rows.data.notes, *_kept_together(rows, groups)),
        warnings=(*rows.warnings, *_not_judged(target, labels, judged), *double_warnings(rows.data, rows.parts)),
        skipped=rows.data.skipped,
    )


@dataclass(frozen=True)
class _Rows:
    """All rows of all parts in one dataset with labels, the part of each, and what is to be warned of."""

    data: Dataset
    parts: tuple[Part, ...]
    warnings: tuple[dict[str, str], ...] = ()

    def at(self, part: Part) -> Index:
        return np.array([i for i, each in enumerate(self.parts) if each == part], dtype=np.int64)

    def has(self, part: Part) -> bool:
        return part in self.parts

    def moved(self, part: Part, rows: Index) -> _Rows:
        chosen = set(rows.tolist())
        return replace(self, parts=tuple(part if i in chosen else each for i, each in enumerate(self.parts)))


def _check_shares(val: Given, test: Given) -> None:
    shares = {"val": val, "test": test}
    numbers = {name: share for name, share in shares.items() if isinstance(share, float)}
    for name, share in numbers.items():
        if not 0 < share < 1:
            raise RequestError(f"The share for --{name} must lie between 0 and 1, but it is {share:g}.")
    if sum(numbers.values()) >= 1:
        raise RequestError("The shares for --val and --test leave nothing to train on.")


def _joined(dataset: Dataset, val: Given, test: Given) -> _Rows:
    whole, parts = dataset, [part or "train" for part in dataset.parts]
    for part, given in (("val", val), ("test", test)):
        if given is None:
            continue
        if part in parts:
            raise RequestError(
                f"'{dataset.name}' has a {part} part of its own, and --{part} was given as well.",
                hint="Leave out one of them.",
            )
        if isinstance(given, Dataset):
            whole = _appended(whole, given)
            parts += ["val" if part == "val" else "test"] * len(given)
    if whole.labels is None:
        raise DataError(f"'{dataset.name}' has no labels to learn from.", hint="Name the column: --label COLUMN")
    return _Rows(whole, tuple(parts))


def _appended(first: Dataset, second: Dataset) -> Dataset:
    if first.items.modality != second.items.modality:
        raise DataError(
            f"'{first.name}' holds items of kind {first.items.modality}, '{second.name}' of kind "
            f"{second.items.modality}; all parts must be of one kind."
        )
    if first.labels is None or second.labels is None:
        nameless = second.name if second.labels is None else first.name
        raise DataError(f"'{nameless}' has no labels.", hint="Name the column: --label COLUMN")
    items = second.items
    if set(items.ids) & set(first.items.ids):
        items = replace(items, ids=tuple(f"{second.name}/{each}" for each in items.ids))
    alone = [f"{side} {i} alone" for side, each in (("first", first), ("second", second)) for i in range(len(each))]
    groups = [*(first.groups or alone[: len(first)]), *(second.groups or alone[len(first) :])]
    return replace(
        first,
        items=first.items + items,
        labels=first.labels + second.labels,
        parts=first.parts + second.parts,
        groups=tuple(groups) if first.groups or second.groups else None,
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
        skipped=first.skipped + second.skipped,
    )


def _unseen_classes_out(rows: _Rows) -> _Rows:
    """Without the validation and test items whose class no training item has: no model could know it."""
    labels = rows.data.labels or ()
    known = {label for label, part in zip(labels, rows.parts, strict=True) if part == "train"}
    lost = [i for i, label in enumerate(labels) if label not in known]
    if not lost:
        return rows
    names = sorted({labels[i] for i in lost}, key=natural)
    data = rows.data.without(
        (i, Skipped(rows.data.items.ids[i], f"its class '{labels[i]}' is not in the training data", foreign=True))
        for i in lost
    )
    gone = set(lost)
    warning = {
        "what": f"{len(lost)} validation or test items are of classes that training lacks ({listing(names)}); "
        "they are left out of the evaluation.",
        "remedy": "Add training items of these classes, or check the spelling of the class names.",
    }
    kept = tuple(part for i, part in enumerate(rows.parts) if i not in gone)
    return _Rows(data, kept, (*rows.warnings, warning))


def _classes(rows: _Rows) -> tuple[str, ...]:
    classes = sorted(set(rows.data.labels or ()), key=natural)
    if len(classes) < 2:
        found = f"only one class, '{classes[0]}'" if classes else "no training items"
        raise DataError(
            f"'{rows.data.name}' has {found}; telling apart needs two.",
            hint="Add items of another class. For pictures: one subfolder a class, directly under the folder you give.",
        )
    return tuple(classes)


def _drawn(rows: _Rows, labels: Index, groups: Index, share: float, rng: np.random.Generator) -> Index:
    """Training rows for another part: `share` of each class, whole clusters, never all of a class."""
    train = rows.at("train")
    free = train[~_bound(labels, groups, train, rows)]
    sides = deal(labels[free], groups[free], [share, 1 - share], rng)
    drawn: Index = free[sides == 0]
    return drawn


def _outer(rows: _Rows, labels: Index, groups: Index, random: Randomness) -> Index:
    """Outer folds (R, N); -1 for what always stays on the training side."""
    train = rows.at("train")
    free = train[~_bound(labels, groups, train, rows)]
    k = min(FOLDS, len(np.unique(groups[free])))
    if k < 2:
        return np.full((1, len(labels)), -1, dtype=np.int64)
    outer = np.full((3 if len(train) < REPEATED_BELOW else 1, len(labels)), -1, dtype=np.int64)
    for r in range(len(outer)):
        sides = deal(labels[free], groups[free], [1 / k] * k, random.numpy("outer", r))
        outer[r, free] = sides
        outer[r, np.isin(groups, groups[_whole_class_tested(outer[r], labels, train)])] = -1
    return outer


def _whole_class_tested(folds: Index, labels: Index, train: Index) -> Index:
    """Rows whose class would be missing from the training side when their fold is tested."""
    lost = [np.empty(0, dtype=np.int64)]
    for c in np.unique(labels[train]):
        mine = train[labels[train] == c]
        if len(set(folds[mine].tolist())) == 1 and folds[mine[0]] >= 0:
            lost.append(mine)
    return np.concatenate(lost)


def _bound(labels: Index, groups: Index, among: Index, rows: _Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of `among` must stay for training: their cluster holds all of a class, or reaches into another part."""
    pairs = np.unique(np.stack([labels[among], groups[among]], axis=1), axis=0)
    single = np.flatnonzero(np.bincount(pairs[:, 0]) == 1)
    fixed = pairs[np.isin(pairs[:, 0], single), 1]
    elsewhere = groups[[i for i, part in enumerate(rows.parts) if part != "train"]]
    return np.isin(groups[among], np.concatenate([fixed, elsewhere]))


def _refuse_nothing_judged(judged: Index, target: Target) -> None:
    if len(judged) == 0:
        raise DataError(
            f"Nothing could be evaluated: none of the {len(target.classes)} classes has two items that may be parted.",
            hint="Add items, give a test set with --test, or check the groups.",
        )


def _not_judged(target: Target, labels: Index, judged: Index) -> tuple[dict[str, str], ...]:
    """One warning for the classes that are trained on but not evaluated."""
    counts = np.bincount(labels, minlength=len(target.classes))
    missing = np.setdiff1d(np.arange(len(target.classes)), labels[judged])
    if len(missing) == 0:
        return ()
    names = ", ".join(
        f"'{target.classes[c]}' ({counts[c]} item{'s' if counts[c] > 1 else ''})" for c in missing[:8].tolist()
    )
    more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    return (
        {
            "what": f"Trained on, but not evaluated, because all their items are needed for training or lie in one "
            f"group: {names}{more}.",
            "remedy": "Add items of these classes.",
        },
    )


def _kept_together(rows: _Rows, groups: Index) -> tuple[str, ...]:
    sizes = np.bincount(groups, minlength=1)
    many = int((sizes > 1).sum())
    what = "groups and exact copies" if rows.data.groups else "exact copies"
    if not many:
        return ()
    return (f"{many} set{'s' if many > 1 else ''} of {what} ({int(sizes[sizes > 1].sum())} items) kept together.",)
