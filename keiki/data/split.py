"""From a dataset to a task: what is trained on, what the estimate is made from, what has to stay together.

Given parts are honoured. With times, the newest fifth is the test set. Otherwise a test set of a fifth is set apart
from 2,000 items on; below, outer folds are made (nested cross-validation) and no item is lost to a test set. Groups,
exact and near duplicates stay on one side. Added items are only trained on: what judges is drawn as if they were not
there, and they give way to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from keiki.core.errors import DataError, RequestError
from keiki.core.random import Randomness
from keiki.data.deal import deal, draw
from keiki.data.doubles import double_warnings
from keiki.data.names import listing, natural
from keiki.data.newest import newest
from keiki.data.sides import LEARNED, Rows, joined
from keiki.data.sides import Given as Given
from keiki.data.task import Dataset, Index, Part, Target, Task
from keiki.data.ties import Alike, kept_together, loosened, parted, refuse_hopeless, refuse_unchoosable, together
from keiki.data.vectors import repeats_by_chance

NESTED_BELOW = 2000  # items; from here on a held-out fifth is judged precisely enough
REPEATED_BELOW = 200  # items; below, the outer folds are drawn three times
FOLDS = 5
LEAST_MET = 0.75  # of a share that was asked for, below which a warning says so
HELD_OUT = 0.2

NearCopies = Literal["together", "apart"]


def make_task(
    dataset: Dataset,
    *,
    val: Given = None,
    test: Given = None,
    seed: int = 0,
    name: str | None = None,
    alike: Alike | None = None,
    near_copies: NearCopies = "together",
) -> Task:
    """The task that `dataset` poses. val, test: a dataset of their own, a share of the training items, or None.

    Items of one set in `alike` stay on one side, like those of a group, unless near_copies is 'apart'. Where the
    dataset knows times and no test set is given, the newest items are the test set. Raises DataError where there are no
    labels, fewer than two classes, one group only, or nothing that could be evaluated or chosen by.
    """
    _check_shares(val, test)
    whole = joined(dataset, val, test)
    rows, tied = parted(whole, alike or {}) if near_copies == "apart" else loosened(whole, alike or {})
    random = Randomness(seed)
    declared = rows.has("test")
    rows = _with_newest_test(rows, tied, test)
    groups = together(rows, tied)
    _classes(rows)
    refuse_hopeless(rows, tied)
    n, rows = len(groups), _with_drawn_test(rows, groups, test, random)
    groups = groups if len(rows.parts) == n else together(rows, tied)
    target = Target(_classes(rows))
    labels = target.encode(rows.data.labels or ())
    rows = _with_drawn_val(rows, labels, groups, val, random)
    outer = np.full((0, len(labels)), -1, dtype=np.int64) if rows.has("test") else _outer(rows, labels, groups, random)
    judged = rows.at("test") if rows.has("test") else np.flatnonzero(outer.max(axis=0) >= 0)
    _refuse_nothing_judged(judged, target)
    refuse_unchoosable(rows, tied, outer, given=declared)
    return Task(
        name=name or dataset.name,
        items=rows.data.items,
        target=target,
        labels=labels,
        groups=groups,
        train=rows.at(*LEARNED),
        val=rows.at("val"),
        test=rows.at("test"),
        protocol="nested" if len(outer) else "given" if declared else "held-out",
        outer=outer,
        random=random,
        declared=rows.data.groups,
        times=rows.data.times,
        notes=(
            *(*rows.data.notes, *rows.notes, *kept_together(rows, groups, tied)),
            *(*_only_trained_on(rows, groups, outer), *_time_unused(dataset, declared)),
        ),
        warnings=(
            *rows.warnings,
            *_not_judged(target, labels, judged, rows.has("added"), given=declared),
            *(() if repeats_by_chance(rows.data.items) else double_warnings(rows.data, rows.sides, alike)),
        ),
        skipped=rows.data.skipped,
        spare=rows.data.spare,
    )


def _with_newest_test(rows: Rows, tied: Alike, test: Given) -> Rows:
    """With the newest items as the test set where times are known and none is given, and no item of a class unseen."""
    if rows.data.times is not None and not rows.has("test"):
        rows = _newest_tested(rows, _share(test), together(rows, tied))
    chosen = rows.has("test")
    rows = _unseen_classes_out(rows)
    if chosen and not rows.has("test"):
        raise DataError("No test item is of a class that the training data hold.", hint="Check the class names.")
    return rows


def _newest_tested(rows: Rows, share: float, groups: Index) -> Rows:
    """With the newest training items as the test set; what reaches into a given validation set stays.

    That may be newer than the cut, as may what was added. Then the note does not claim otherwise and a warning says so.
    """
    train = rows.at("train")
    free = train[~np.isin(groups[train], groups[rows.besides(*LEARNED)])]
    times = np.array(rows.data.times or (), dtype=np.float64)
    found = newest(times[free], groups[free], share, len(train))
    rows = _given_way(rows.moved("test", free[found.rows]), groups)
    learned = np.array(rows.data.times or (), dtype=np.float64)[rows.besides("test")]
    newer = int((learned >= found.cut).sum())
    rows = replace(rows, notes=(*rows.notes, found.note(newer)))
    if not newer:
        return rows
    warning = {
        "what": f"{newer} of the items that are trained on {'is' if newer == 1 else 'are'} as new as the test set or "
        "newer (added, for validation, of groups that are older as a whole, or belonging with such items). Figures for "
        "what comes later may be worse.",
        "remedy": "Give the newest items as a test set: --test DATA.",
    }
    return replace(rows, warnings=(*rows.warnings, warning))


def _with_drawn_test(rows: Rows, groups: Index, test: Given, random: Randomness) -> Rows:
    """With a test part that is drawn by chance: a share that was asked for, or what many items allow."""
    if rows.has("test") or not (isinstance(test, float) or len(rows.at("train")) >= NESTED_BELOW):
        return rows
    labels = Target(_classes(rows)).encode(rows.data.labels or ())
    chosen = _drawn(rows, labels, groups, _share(test), random.numpy("test"), beside=LEARNED)
    rows = _warned(rows, "test", test, chosen) if isinstance(test, float) else rows
    return _given_way(rows.moved("test", chosen), groups)


def _with_drawn_val(rows: Rows, labels: Index, groups: Index, val: Given, random: Randomness) -> Rows:
    if not isinstance(val, float):
        return rows
    chosen = _drawn(rows, labels, groups, val, random.numpy("val"))
    return _warned(rows, "val", val, chosen).moved("val", chosen)


def _given_way(rows: Rows, groups: Index) -> Rows:
    """Without the added items that belong with a test item."""
    more = rows.at("added")
    lost = more[np.isin(groups[more], groups[rows.at("test")])].tolist()
    if not lost:
        return rows
    note = f"{len(lost)} added items belong with test items, by group or as near copies, and were left out."
    kept = rows.without(dict.fromkeys(lost, "it was added and belongs with a test item"))
    return replace(kept, notes=(*kept.notes, note))


def _warned(rows: Rows, part: Part, share: float, chosen: Index) -> Rows:
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


def _unseen_classes_out(rows: Rows) -> Rows:
    """Without the validation and test items whose class no training item has: no model could know it."""
    labels = rows.data.labels or ()
    known = {label for label, part in zip(labels, rows.parts, strict=True) if part in LEARNED}
    lost = [i for i, label in enumerate(labels) if label not in known]
    if not lost:
        return rows
    names = sorted({labels[i] for i in lost}, key=natural)
    kept = rows.without({i: f"its class '{labels[i]}' is not in the training data" for i in lost})
    warning = {
        "what": f"{len(lost)} validation or test items are of classes that training lacks ({listing(names)}); "
        "they are left out of the evaluation.",
        "remedy": "Add training items of these classes, or check the spelling of the class names.",
    }
    return replace(kept, warnings=(*kept.warnings, warning))


def _classes(rows: Rows) -> tuple[str, ...]:
    classes = sorted(set(rows.data.labels or ()), key=natural)
    if len(classes) < 2:
        found = f"only one class, '{classes[0]}'" if classes else "no training items"
        raise DataError(
            f"'{rows.data.name}' has {found}; telling apart needs two.",
            hint="Add items of another class. For pictures: one subfolder a class, directly under the folder you give.",
        )
    return tuple(classes)


def _drawn(
    rows: Rows,
    labels: Index,
    groups: Index,
    share: float,
    rng: np.random.Generator,
    beside: tuple[Part, ...] = ("train",),
) -> Index:
    """Training rows for another part: `share` of those that may be parted, whole clusters, never all of a class."""
    train = rows.at("train")
    free = train[~_bound(labels, groups, train, rows.besides(*beside))]
    return free[draw(labels[free], groups[free], share, rng)] if len(free) else free


def _outer(rows: Rows, labels: Index, groups: Index, random: Randomness) -> Index:
    """Outer folds (R, N); -1 for what always stays on the training side."""
    train = rows.at("train")
    free = train[~_bound(labels, groups, train, rows.besides("train"))]
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


def _bound(labels: Index, groups: Index, among: Index, others: Index) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of `among` must stay for training: their cluster holds all of a class, or reaches into `others`."""
    pairs = np.unique(np.stack([labels[among], groups[among]], axis=1), axis=0)
    single = np.flatnonzero(np.bincount(pairs[:, 0]) == 1)
    fixed = pairs[np.isin(pairs[:, 0], single), 1]
    return np.isin(groups[among], np.concatenate([fixed, groups[others]]))


def _refuse_nothing_judged(judged: Index, target: Target) -> None:
    if len(judged) == 0:
        raise DataError(
            f"Nothing could be evaluated: none of the {len(target.classes)} classes has two items that may be parted.",
            hint="Add items, give a test set with --test, or check the groups.",
        )


def _not_judged(
    target: Target, labels: Index, judged: Index, added: bool, *, given: bool
) -> tuple[dict[str, str], ...]:
    """One warning for the classes that are trained on but not evaluated."""
    counts = np.bincount(labels, minlength=len(target.classes))
    missing = np.setdiff1d(np.arange(len(target.classes)), labels[judged])
    if len(missing) == 0:
        return ()
    names = ", ".join(
        f"'{target.classes[c]}' ({counts[c]} item{'s' if counts[c] > 1 else ''})" for c in missing[:8].tolist()
    )
    more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    if given:
        what, remedy = "Trained on, but not in the test set", "Add items of these classes to the test set."
        return ({"what": f"{what} that was given: {names}{more}.", "remedy": remedy},)
    or_added = ", were added" if added else ""
    return (
        {
            "what": f"Trained on, but not evaluated, because all their items are needed for training{or_added} or lie "
            f"in one group: {names}{more}.",
            "remedy": "Add items of these classes.",
        },
    )


def _time_unused(dataset: Dataset, declared: bool) -> tuple[str, ...]:
    """What is said where times would choose the test set, but it was given."""
    if dataset.times is None or not declared:
        return ()
    return ("The test set is the one that was given, so --time chose none.",)


def _only_trained_on(rows: Rows, groups: Index, outer: Index) -> tuple[str, ...]:
    """What is said of added items, and of those that are never judged because they belong with them."""
    if not rows.has("added"):
        return ()
    train = rows.at("train")
    tied = train[np.isin(groups[train], groups[rows.at("added")])] if len(outer) else train[:0]
    more = f", and so are {len(tied)} that belong with them by group or as copies" if len(tied) else ""
    return (f"Added items are only trained on{more}.",)
