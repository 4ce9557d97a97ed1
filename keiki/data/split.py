"""From a dataset to a task: what is trained on, what the estimate is made from, what has to stay together.

Given parts are honoured. With times, the newest fifth is the test set. Otherwise a test set of a fifth is set apart
from 2,000 items on; below, outer folds are made (nested cross-validation) and no item is lost to a test set. Groups,
exact and near duplicates stay on one side.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from keiki.core.errors import DataError, RequestError
from keiki.core.random import Randomness
from keiki.data.deal import clusters, deal, draw
from keiki.data.doubles import double_warnings
from keiki.data.names import listing, natural
from keiki.data.newest import newest
from keiki.data.task import Dataset, Index, Part, Skipped, Target, Task
from keiki.data.vectors import refuse_width, repeats_by_chance

NESTED_BELOW = 2000  # items; from here on a held-out fifth is judged precisely enough
REPEATED_BELOW = 200  # items; below, the outer folds are drawn three times
FOLDS = 5
LEAST_MET = 0.75  # of a share that was asked for, below which a warning says so
HELD_OUT = 0.2

Given = Dataset | float | None
Alike = Mapping[str, Hashable]  # content (digest) -> the set of near copies that it is of


def make_task(
    dataset: Dataset,
    *,
    val: Given = None,
    test: Given = None,
    seed: int = 0,
    name: str | None = None,
    alike: Alike | None = None,
) -> Task:
    """The task that `dataset` poses. val, test: a dataset of their own, a share of the training items, or None.

    Items of one set in `alike` stay on one side, like those of a group. Where the dataset knows times and no test set
    is given, the newest items are the test set. Raises DataError where there are no labels, fewer than two classes, one
    group only, or nothing that could be evaluated.
    """
    _check_shares(val, test)
    rows, tied = _loosened(_joined(dataset, val, test), alike or {})
    random = Randomness(seed)
    declared = rows.has("test")
    if rows.data.times is not None and not declared:
        rows = _newest_tested(rows, _share(test), _together(rows, tied))
    chosen = rows.has("test")
    rows = _unseen_classes_out(rows)
    if chosen and not rows.has("test"):
        raise DataError("No test item is of a class that the training data hold.", hint="Check the class names.")
    target = Target(_classes(rows))
    labels = target.encode(rows.data.labels or ())
    groups = _together(rows, tied)
    _refuse_one_group(rows, groups)
    rows = _drawn_parts(rows, labels, groups, val, test, random)
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
        declared=rows.data.groups,
        times=rows.data.times,
        notes=(*rows.data.notes, *rows.notes, *_kept_together(rows, groups, tied)),
        warnings=(
            *rows.warnings,
            *_not_judged(target, labels, judged),
            *(() if repeats_by_chance(rows.data.items) else double_warnings(rows.data, rows.parts, alike)),
        ),
        skipped=rows.data.skipped,
    )


@dataclass(frozen=True)
class _Rows:
    """All rows of all parts in one dataset with labels, the part of each, and what is to be said and warned of."""

    data: Dataset
    parts: tuple[Part, ...]
    warnings: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def at(self, part: Part) -> Index:
        return np.array([i for i, each in enumerate(self.parts) if each == part], dtype=np.int64)

    def has(self, part: Part) -> bool:
        return part in self.parts

    def moved(self, part: Part, rows: Index) -> _Rows:
        chosen = set(rows.tolist())
        return replace(self, parts=tuple(part if i in chosen else each for i, each in enumerate(self.parts)))


def _together(rows: _Rows, alike: Alike) -> Index:
    """Cluster numbers (N,) of what may not be parted: copies, near copies, groups."""
    contents = rows.data.items.digests
    if repeats_by_chance(rows.data.items):  # equal rows of a few whole numbers are no copies
        return clusters(rows.data.groups or [None] * len(contents))
    alone: list[Hashable | None] = [None] * len(contents)
    return clusters(contents, rows.data.groups or alone, [alike.get(content) for content in contents])


def _loosened(rows: _Rows, alike: Alike) -> tuple[_Rows, Alike]:
    """`alike` without the sets that hold all there is of a class, and a warning about them.

    A class that is one set of near copies could not be judged at all; of exact copies and groups that is so anyway.
    """
    if not alike:
        return rows, alike
    near, bare = _together(rows, alike), _together(rows, {})
    members: dict[str, list[int]] = {}
    for i, (label, part) in enumerate(zip(rows.data.labels or (), rows.parts, strict=True)):
        if part != "test":
            members.setdefault(label, []).append(i)
    torn = [name for name, own in members.items() if len(set(near[own])) == 1 < len(set(bare[own]))]
    if not torn:
        return rows, alike
    contents = rows.data.items.digests
    loose = {alike[contents[i]] for name in torn for i in members[name] if contents[i] in alike}
    warning = {
        "what": f"All items of {listing(sorted(torn, key=natural))} are near copies of one another. They were not kept "
        "together, because nothing else could judge them: these figures are too good.",
        "remedy": "Add items that differ.",
    }
    kept = {content: key for content, key in alike.items() if key not in loose}
    return replace(rows, warnings=(*rows.warnings, warning)), kept


def _newest_tested(rows: _Rows, share: float, groups: Index) -> _Rows:
    """With the newest training items as the test set; what reaches into a given validation set stays."""
    train = rows.at("train")
    elsewhere = groups[[i for i, part in enumerate(rows.parts) if part != "train"]]
    free = train[~np.isin(groups[train], elsewhere)]
    times = np.array(rows.data.times or (), dtype=np.float64)
    found = newest(times[free], groups[free], share, len(train))
    return replace(rows.moved("test", free[found.rows]), notes=(*rows.notes, found.note))


def _drawn_parts(rows: _Rows, labels: Index, groups: Index, val: Given, test: Given, random: Randomness) -> _Rows:
    """With the parts that are drawn by chance: a test share that was asked for or that many items allow, then val."""
    if not rows.has("test") and (isinstance(test, float) or len(rows.at("train")) >= NESTED_BELOW):
        chosen = _drawn(rows, labels, groups, _share(test), random.numpy("test"))
        rows = (_warned(rows, "test", test, chosen) if isinstance(test, float) else rows).moved("test", chosen)
    if isinstance(val, float):
        chosen = _drawn(rows, labels, groups, val, random.numpy("val"))
        rows = _warned(rows, "val", val, chosen).moved("val", chosen)
    return rows


def _warned(rows: _Rows, part: Part, share: float, chosen: Index) -> _Rows:
    """The rows with a warning where far fewer were drawn than asked for; raises DataError where none was."""
    n = len(rows.at("train"))
    wanted = round(share * n)
    if not wanted:
        raise DataError(f"--{part} {share:g} is less than one of {n} items.", hint="Ask for a larger share.")
    if not len(chosen):
        raise DataError(
            f"--{part} {share:g} asks for {wanted} items, but none of the {n} items may be set apart: each is needed "
            "for training, or lies in one group with all others of its class.",
            hint="Add items, or check the groups.",
        )
    if len(chosen) > LEAST_MET * wanted:
        return rows
    warning = {
        "what": f"--{part} {share:g} asks for {wanted} items, but only {len(chosen)} could be set apart: the others "
        "are needed for training, or lie in one group with all others of their class.",
        "remedy": "Add items of other groups, or ask for a smaller share.",
    }
    return replace(rows, warnings=(*rows.warnings, warning))


def _share(test: Given) -> float:
    return test if isinstance(test, float) else HELD_OUT


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
    refuse_width(first.items, second.items)
    if first.labels is None or second.labels is None:
        nameless = second.name if second.labels is None else first.name
        raise DataError(f"'{nameless}' has no labels.", hint="Name the column: --label COLUMN")
    items = second.items
    if set(items.ids) & set(first.items.ids):
        items = replace(items, ids=tuple(f"{second.name}/{each}" for each in items.ids))
    alone = [f"{side} {i} alone" for side, each in (("first", first), ("second", second)) for i in range(len(each))]
    groups = [*(first.groups or alone[: len(first)]), *(second.groups or alone[len(first) :])]
    times = None if first.times is None or second.times is None else first.times + second.times
    return replace(
        first,
        items=first.items + items,
        labels=first.labels + second.labels,
        parts=first.parts + second.parts,
        groups=tuple(groups) if first.groups or second.groups else None,
        times=times,
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
    return replace(rows, data=data, parts=kept, warnings=(*rows.warnings, warning))


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
    """Training rows for another part: `share` of those that may be parted, whole clusters, never all of a class."""
    train = rows.at("train")
    free = train[~_bound(labels, groups, train, rows)]
    return free[draw(labels[free], groups[free], share, rng)] if len(free) else free


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


def _refuse_one_group(rows: _Rows, groups: Index) -> None:
    """Raise DataError where nothing could be kept apart to judge by, because all items belong together."""
    if len(np.unique(groups)) > 1:
        return
    if rows.data.groups and len(set(rows.data.groups)) == 1:
        raise DataError(
            f"All {len(groups)} items are of one group, '{rows.data.groups[0]}'; none can be kept apart to judge by.",
            hint="Name another column with --group, or leave it out.",
        )
    raise DataError(
        f"All {len(groups)} items are copies of one another or tied by groups; none can be kept apart to judge by.",
        hint="Add items that differ, or check the groups.",
    )


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


def _kept_together(rows: _Rows, groups: Index, alike: Alike) -> tuple[str, ...]:
    sizes = np.bincount(groups, minlength=1)
    many = int((sizes > 1).sum())
    copies = "exact or near copies" if alike else "exact copies"
    what = f"groups and {copies}" if rows.data.groups else copies
    if not many:
        return ()
    return (f"{many} set{'s' if many > 1 else ''} of {what} ({int(sizes[sizes > 1].sum())} items) kept together.",)
