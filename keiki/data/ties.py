"""What may not be parted, by what it is tied, and what is said where too much hangs together.

Items are tied by declared groups, as exact copies, and as near copies; ties add up: two groups with a near copy in
common are one cluster. A message names the ties that matter, since each has its own remedy.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np

from keiki.core.errors import DataError
from keiki.data.deal import clusters
from keiki.data.names import listing, natural
from keiki.data.sides import Rows
from keiki.data.task import Index
from keiki.data.vectors import repeats_by_chance

Alike = Mapping[str, Hashable]  # content (digest) -> the set of near copies that it is of
APART = "--near-copies apart"


def together(rows: Rows, alike: Alike) -> Index:
    """Cluster numbers (N,) of what may not be parted: copies, near copies, groups."""
    contents = rows.data.items.digests
    if repeats_by_chance(rows.data.items):  # equal rows of a few whole numbers are no copies
        return clusters(rows.data.groups or [None] * len(contents))
    alone: list[Hashable | None] = [None] * len(contents)
    return clusters(contents, rows.data.groups or alone, [alike.get(content) for content in contents])


def parted(rows: Rows, alike: Alike) -> tuple[Rows, Alike]:
    """No near copies, as the user wanted, and a warning where there are any."""
    keys = [alike[content] for content in rows.data.items.digests if content in alike]
    if not keys:
        return rows, {}
    n = len(set(keys))
    warning = {
        "what": f"{_sets(n)} of near copies ({len(keys)} items) may stand on both sides, as {APART} asks: if they show "
        "the same thing, the figures are too good.",
        "remedy": f"Leave out {APART}, unless they are alike only because all such items are (templates).",
    }
    return replace(rows, warnings=(*rows.warnings, warning)), {}


def loosened(rows: Rows, alike: Alike) -> tuple[Rows, Alike]:
    """`alike` without the sets by which all there is of a class hangs together, and a warning about them.

    A class that is one cluster by near copies could not be judged at all; of exact copies and groups that is so anyway.
    """
    if not alike:
        return rows, alike
    near, bare = together(rows, alike), together(rows, {})
    members: dict[str, list[int]] = {}
    for i, (label, part) in enumerate(zip(rows.data.labels or (), rows.parts, strict=True)):
        if part != "test":
            members.setdefault(label, []).append(i)
    torn = [name for name, own in members.items() if len(set(near[own])) == 1 < len(set(bare[own]))]
    if not torn:
        return rows, alike
    contents = rows.data.items.digests
    keys = {name: [alike.get(contents[i]) for i in members[name]] for name in torn}
    loose = {key for own in keys.values() for key in own if key is not None}
    whole = [name for name in torn if len(set(keys[name])) == 1]
    chained = [name for name in torn if name not in whole]
    warnings = [_of_one_set(whole)] * bool(whole) + [_of_chains(chained, keys, rows)] * bool(chained)
    kept = {content: key for content, key in alike.items() if key not in loose}
    return replace(rows, warnings=(*rows.warnings, *warnings)), kept


def _of_one_set(names: list[str]) -> dict[str, str]:
    return {
        "what": f"All items of {listing(sorted(names, key=natural))} are near copies of one another. They were not "
        "kept together, because nothing else could judge them: these figures are too good.",
        "remedy": "Add items that differ.",
    }


def _of_chains(names: list[str], keys: Mapping[str, list[Hashable | None]], rows: Rows) -> dict[str, str]:
    n = len({key for name in names for key in keys[name] if key is not None})
    through = "the groups that these share" if rows.data.groups else "exact copies"
    return {
        "what": f"All items of {listing(sorted(names, key=natural))} hang together, each class in itself, through "
        f"{_sets(n)} of near copies and {through}. These near copies were not kept together, because nothing else "
        "could judge such a class: its figures may be too good.",
        "remedy": "Add items that differ; if they are alike only because all such items are (templates), the figures "
        f"hold, and {APART} says so.",
    }


def refuse_hopeless(rows: Rows, alike: Alike) -> None:
    """Raise DataError where there is nothing to judge by, as all items belong together."""
    n, groups = len(rows.parts), set(rows.data.groups or ())
    if len(np.unique(together(rows, alike))) > 1:
        return
    if len(groups) == 1:
        raise DataError(
            f"All {n} items are of one group, '{next(iter(groups))}'; none can be kept apart to judge by.",
            hint="Name another column with --group, or leave it out.",
        )
    if len(np.unique(together(rows, {}))) > 1:
        raise DataError(
            f"All {n} items hang together, so none can be kept apart to judge by: {_units(rows, alike, np.arange(n))}.",
            hint=f"Add items that differ{_templates()}.",
        )
    raise DataError(
        f"All {n} items are copies of one another or tied by groups; none can be kept apart to judge by.",
        hint="Add items that differ, or check the groups.",
    )


def refuse_unchoosable(rows: Rows, alike: Alike, outer: Index, *, given: bool) -> None:
    """Raise DataError where some training side is a single cluster: methods are chosen by items kept apart from it.

    outer (R, N): the outer folds; without any, the training side is what is no test item, and `given` says whether the
    test items were given.
    """
    if rows.has("val"):
        return  # the validation items choose
    groups, learned = together(rows, alike), rows.besides("test")
    sides = [np.flatnonzero(own != fold) for own in outer for fold in np.unique(own[own >= 0])]
    narrow = next((side for side in sides or [learned] if len(np.unique(groups[side])) < 2), None)
    if narrow is None:
        return
    among = learned if given else np.arange(len(groups))
    joined = len(np.unique(groups[among])) < len(np.unique(together(rows, {})[among]))
    takes = (
        "It takes 2 groups at least" if given else "It takes 3 groups at least, one to judge by and two to choose by"
    )
    if len(np.unique(groups[among])) > 2:
        takes = "Ask for a smaller share"
    other = "Add items of other groups" + (", or leave out --group" if rows.data.groups else "")
    left = "" if given else "that are left "
    raise DataError(
        f"The {len(narrow)} items {left}to train on hang together, so none can be kept apart to choose by: "
        f"{_units(rows, alike, among)}.",
        hint=f"{takes}. {other}{_templates() if joined else ''}.",
    )


def _units(rows: Rows, alike: Alike, among: Index) -> str:
    """How many groups there are, and how many near copies leave of them."""
    near, bare = (len(np.unique(together(rows, ties)[among])) for ties in (alike, {}))
    noun = "group" if rows.data.groups else "item"
    if near == bare:
        return f"there {'is' if bare == 1 else 'are'} {bare} {noun}{'' if bare == 1 else 's'}"
    contents = {rows.data.items.digests[i] for i in among.tolist()}
    n = len({alike[content] for content in contents if content in alike})
    largest = int(np.bincount(together(rows, alike)[among]).max())
    join = "join" if n > 1 else "joins"
    return f"{_sets(n)} of near copies {join} {bare} {noun}s to {near}, the largest with {largest} items"


def _templates() -> str:
    return f"; if they are alike only because all such items are (templates), say {APART}"


def _sets(n: int) -> str:
    return f"{n} set{'' if n == 1 else 's'}"


def kept_together(rows: Rows, groups: Index, alike: Alike) -> tuple[str, ...]:
    """A note on how much is tied."""
    sizes = np.bincount(groups, minlength=1)
    many = int((sizes > 1).sum())
    copies = "exact or near copies" if alike else "exact copies"
    what = f"groups and {copies}" if rows.data.groups else copies
    if not many:
        return ()
    return (f"{_sets(many)} of {what} ({int(sizes[sizes > 1].sum())} items) kept together.",)
