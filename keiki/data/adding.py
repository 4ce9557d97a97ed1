"""Further labelled items for the training part: from any format, or from the table that `keiki suggest` wrote."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from keiki.core.errors import ColumnError, DataError
from keiki.data.names import listing, natural
from keiki.data.rows import SUFFIXES
from keiki.data.sources.base import Request, parted, read
from keiki.data.sources.layout import PARQUET, WORKBOOKS
from keiki.data.sources.tabular import open_table
from keiki.data.stacking import stacked
from keiki.data.task import Dataset, Items, Part, Raw
from keiki.data.worksheet import LABEL, written_inputs

UNFILLED = "no label"  # the reason with which tables skip a row without one
_JUDGES: dict[Part, str] = {"test": "test", "val": "validation"}
NEAR = 0.8  # likeness from which a new class may be a misspelt old one


def read_added(path: Path, request: Request | None = None) -> Dataset:
    """The labelled data at `path`, read like any other; rows without a label are counted in a note and left out.

    request: what was said of the data that they are added to. Of a table that `suggest` wrote the inputs and the label
    are known, whatever they are called in the data. Raises DataError where no row has a label yet.
    """
    asked = request or Request()
    found = _read(path, _ways(path, asked))
    unfilled = sum(each.reason == UNFILLED for each in found.skipped)
    kept = replace(found, skipped=tuple(each for each in found.skipped if each.reason != UNFILLED))
    if unfilled and not len(kept):
        raise DataError(
            f"No row of '{path.name}' has a label yet.",
            hint=f"Fill in the column '{LABEL}'; rows that stay empty are left out.",
        )
    said = (f"{unfilled} of {unfilled + len(kept)} rows of '{path.name}' have no label and were left out.",)
    return replace(kept, notes=(*kept.notes, *said)) if unfilled else kept


def added(dataset: Dataset, more: Dataset, test: Dataset | None = None, val: Dataset | None = None) -> Dataset:
    """`dataset` with the items of `more` as further training items.

    Their part is 'added': whatever is drawn to judge by, they are not among it. Left out, and counted in a note, are
    exact copies: of a test or validation item (of `dataset`, or of `test` and `val`, which were given beside it),
    because what is trained on cannot judge; of any other item; of one another. Where a copy had another label, the
    first one stands. Classes may be new; a new name that is nearly a known one is pointed out. Raises DataError where
    the two do not go together.
    """
    _refuse(dataset, more)
    fresh, notes = _fresh(dataset, more, {"test": test, "val": val})
    notes = [f"Added {len(fresh)} training items from '{more.name}'.", *notes, *_new_classes(dataset, fresh)]
    if dataset.groups is not None and more.groups is None:
        notes.append(f"The items of '{more.name}' have no groups; each is taken to belong with nothing.")
    parts: list[Part] = ["added"] * len(fresh)
    fresh = replace(fresh, parts=tuple(parts), notes=(*more.notes, *notes))
    return stacked(dataset, fresh, _unique(dataset.items.ids, more.name, fresh.items.ids))


def _ways(path: Path, asked: Request) -> list[Request]:
    """How to read `path`, in the order to try: files may lie beside a table, or where those of the data lie.

    A table that `suggest` wrote says itself what its columns are.
    """
    usual = replace(asked, strict=False)
    whole, inner = parted(path)
    if whole.is_file() and whole.suffix.lower() in SUFFIXES | PARQUET | WORKBOOKS:
        with suppress(DataError):  # what is wrong with a table is told when it is read
            if inputs := written_inputs(open_table(whole, inner)):
                own = replace(usual, input=",".join(inputs), label=LABEL)
                return list(dict.fromkeys([replace(own, files=None), own]))
    return list(dict.fromkeys([usual, replace(usual, files=None)]))


def _read(path: Path, ways: Sequence[Request]) -> Dataset:
    """What is there, by the first way that leads to it; else what is wrong with the first."""
    first, *others = ways
    try:
        return read(path, first)
    except ColumnError:
        for other in others:
            with suppress(ColumnError):
                return read(path, other)
        raise


def _refuse(dataset: Dataset, more: Dataset) -> None:
    if dataset.items.modality != more.items.modality:
        raise DataError(
            f"'{more.name}' holds items of kind {more.items.modality}, but '{dataset.name}' of kind "
            f"{dataset.items.modality}.",
            hint="Name the right column: --input COLUMN",
        )
    for each in (dataset, more):
        if each.labels is None:
            raise DataError(f"'{each.name}' has no labels to learn from.", hint="Name the column: --label COLUMN")
    if aside := sorted({part for part in more.parts if part not in ("", "train")}):
        raise DataError(
            f"'{more.name}' sets items aside itself ({listing(aside)}), but added items are all trained on.",
            hint="Give only the part to train on.",
        )
    if dataset.times is not None and more.times is None:
        raise DataError(
            f"'{dataset.name}' is split by time, and the items of '{more.name}' have no time.",
            hint="Add the column that --time names, or leave --time out.",
        )


def _fresh(dataset: Dataset, more: Dataset, given: Mapping[Part, Dataset | None]) -> tuple[Dataset, list[str]]:
    """The rows of `more` that are new, and notes on the others; given: what stands aside beside the data, by part."""
    aside = {part: _aside(dataset, part, beside) for part, beside in given.items()}
    known = dict(reversed(list(zip(_contents(dataset.items), dataset.labels or (), strict=True))))
    keep: list[int] = []
    copies, relabelled, leaks = 0, [], Counter[Part]()
    for row, (content, label) in enumerate(zip(_contents(more.items), more.labels or (), strict=True)):
        if judge := next((part for part, contents in aside.items() if content in contents), None):
            leaks[judge] += 1
        elif content in known:
            copies += 1
            relabelled += [more.items.ids[row]] * (known[content] != label)
        else:
            known[content] = label
            keep.append(row)
    notes = [
        f"{leaks[part]} items of '{more.name}' are copies of {noun} items and were left out: they are to judge."
        for part, noun in _JUDGES.items()
        if leaks[part]
    ]
    if copies:
        notes.append(f"{copies} items of '{more.name}' are exact copies of items that are there, and were left out.")
    if relabelled:
        notes.append(f"{len(relabelled)} of them had another label before, which stands: {listing(relabelled)}.")
    return more.take(keep), notes


def _aside(dataset: Dataset, part: Part, given: Dataset | None) -> set[Raw]:
    """Contents of the items of `part`: those of the data, and those that were given beside them."""
    own = zip(_contents(dataset.items), dataset.parts, strict=True)
    return {*(content for content, each in own if each == part), *(_contents(given.items) if given is not None else ())}


def _contents(items: Items) -> Sequence[Raw]:
    """What tells whether two items are the same: of texts the text, of others the digest.

    A text is the same whether it lay in a file of its own or in a cell.
    """
    return items.raws if items.modality == "text" else items.digests


def _new_classes(dataset: Dataset, fresh: Dataset) -> list[str]:
    """Notes on classes that the data did not have, with a guess where one is misspelt."""
    known = {name.casefold(): name for name in sorted(set(dataset.labels or ()), key=natural)}
    counts = Counter(label for label in fresh.labels or () if label not in known.values())
    notes = []
    for name in sorted(counts, key=natural):
        near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=NEAR)
        number = f"{counts[name]} item{'s' if counts[name] > 1 else ''}"
        notes.append(f"New class '{name}' ({number})" + (f"; did you mean '{known[near[0]]}'?" if near else "."))
    return notes[:10] + ([f"And {len(notes) - 10} more new classes."] if len(notes) > 10 else [])


def _unique(taken: Iterable[str], source: str, ids: Sequence[str]) -> tuple[str, ...]:
    """Names that no item has yet: with the name of their source in front, then with a number.

    >>> _unique(["row 1", "b/row 1"], "b", ["row 1", "row 2"])
    ('b/row 1 (2)', 'row 2')
    """
    names = set(taken)
    unique = []
    for each in ids:
        wish = each if each not in names else f"{source}/{each}"
        name, number = wish, 2
        while name in names:
            name, number = f"{wish} ({number})", number + 1
        names.add(name)
        unique.append(name)
    return tuple(unique)
