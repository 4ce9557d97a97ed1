"""Which column of a table is the input, which the label: as asked, or guessed and said aloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keiki.core.errors import ColumnError, DataError
from keiki.core.options import near_miss
from keiki.data.names import listing, printable
from keiki.data.picture import SUFFIXES
from keiki.data.rows import Table
from keiki.data.sources.base import Request
from keiki.data.task import PARTS, Part

TEXT_NAMES = (
    ("text", "texts", "sentence", "sentences", "review", "message", "body", "content", "comment", "document", "tweet"),
    ("question", "query", "utterance", "description", "abstract", "article", "post", "ticket", "request", "input"),
    ("title", "headline", "subject", "summary", "name"),
)
FILE_NAMES = (
    (
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "path",
        "image",
        "image_path",
        "img",
        "picture",
        "photo",
    ),
)
LABEL_NAMES = (
    ("label", "labels", "class", "classes", "category", "target"),
    ("class_name", "label_name", "category_name", "y", "tag", "sentiment", "intent", "topic", "species", "genre"),
    ("type", "kind", "section", "group", "language", "rating", "stars", "score"),
)
SPLIT_NAMES = frozenset({"split", "set", "subset", "part", "partition", "fold"})
SPLIT_VALUES: dict[str, Part] = {**PARTS, "": ""}
MISSING = frozenset({"", "nan", "null", "n/a", "#n/a", "<na>"})
MANY = 30  # different numbers from which a column of numbers is a quantity rather than a class
_LOOKED_AT = 500  # rows that a column is judged by


@dataclass(frozen=True)
class Columns:
    """The chosen columns; `files`: the input holds file names."""

    inputs: tuple[str, ...]
    files: bool
    label: str | None
    group: str | None
    split: str | None
    notes: tuple[str, ...]


def choose(table: Table, path: Path, base: Path, request: Request) -> Columns:
    """The columns that `request` names, guessed where it names none; raises ColumnError with the choices."""
    split = _split_column(table, request)
    group = _asked(table, path, "group", request.group) if request.group else None
    label = _asked(table, path, "label", request.label) if request.label else None
    taken = {each for each in (split, group, label) if each}
    if request.input:
        inputs, guess = _asked_inputs(table, path, request.input), ""
    else:
        inputs, guess = _guess_input(table, path, base, taken)
    files = len(inputs) == 1 and _holds_files(table, inputs[0], base)
    if not files:
        _refuse_lost_files(table, inputs, base)
    notes = [guess] if guess else []
    if label is None and (request.labelled or _named(table.columns, LABEL_NAMES, taken | set(inputs))):
        label, said = _guess_label(table, path, taken | set(inputs), request.labelled)
        notes += [said] if said else []
    if label in inputs:
        raise ColumnError(f"Column '{label}' cannot be the input and the label.", hint=_choices(table))
    if split:
        notes.append(f"Column '{split}' says which rows are for training, validation and test.")
    return Columns(inputs, files, label, group, split, tuple(notes))


def refuse_quantities(labels: Sequence[str], column: str) -> None:
    """Raise DataError where the labels are so many different numbers that they are measured rather than named."""
    different = set(labels)
    if len(different) > max(MANY, 0.1 * len(labels)) and all(_is_number(each) for each in different):
        raise DataError(
            f"Column '{column}' holds {len(different)} different numbers in {len(labels)} rows: no classes.",
            hint="Predicting numbers is not there yet; name a column of classes with --label, or make ranges of it.",
        )


def _asked(table: Table, path: Path, what: str, name: str) -> str:
    if name in table.columns:
        return name
    guess = near_miss(name, table.columns)
    raise ColumnError(
        f"The table '{path.name}' has no column '{name}' for --{what}.",
        hint=(f"Did you mean '{guess}'? " if guess else "") + _choices(table),
    )


def _asked_inputs(table: Table, path: Path, names: str) -> tuple[str, ...]:
    if names in table.columns:
        return (names,)
    return tuple(_asked(table, path, "input", name.strip()) for name in names.split(","))


def _split_column(table: Table, request: Request) -> str | None:
    asked = {request.input, request.label, request.group}
    for name in table.columns:
        values = {cell.strip().casefold() for cell in table.column(name)}
        if name.casefold() in SPLIT_NAMES and name not in asked and values <= set(SPLIT_VALUES) and values - {""}:
            return name
    return None


def _guess_input(table: Table, path: Path, base: Path, taken: set[str]) -> tuple[tuple[str, ...], str]:
    free = [name for name in table.columns if name not in taken]
    files = [name for name in free if _holds_files(table, name, base)]
    if len(files) == 1:
        return (files[0],), f"Column '{files[0]}' was taken for the input: it holds names of pictures."
    if len(files) > 1:
        raise _ambiguous(table, path, "input", files)
    _refuse_lost_files(table, free, base)
    named = _named(free, TEXT_NAMES, set())
    if len(named) == 1:
        return (named[0],), f"Column '{named[0]}' was taken for the input, by its name."
    if named:
        raise _ambiguous(table, path, "input", named)
    texts = [name for name in free if _holds_texts(table, name)]
    if len(texts) != 1:
        raise _ambiguous(table, path, "input", texts or free)
    return (texts[0],), f"Column '{texts[0]}' was taken for the input: it is the one that holds texts."


def _guess_label(table: Table, path: Path, taken: set[str], needed: bool) -> tuple[str | None, str]:
    free = [name for name in table.columns if name not in taken]
    named = _named(free, LABEL_NAMES, set())
    if len(named) == 1:
        return named[0], f"Column '{named[0]}' was taken for the label, by its name."
    few = [name for name in free if _holds_classes(table, name)]
    if not named and len(few) == 1:
        return few[0], f"Column '{few[0]}' was taken for the label: it is the one with few different values."
    if not needed:
        return None, ""
    if not free:
        raise ColumnError(f"The table '{path.name}' has no column left for the labels.", hint=_choices(table))
    raise _ambiguous(table, path, "label", named or few or free)


def _named(columns: Sequence[str], tiers: Sequence[Sequence[str]], taken: set[str]) -> list[str]:
    """Columns whose name stands in the first tier that has any of them."""
    for tier in tiers:
        found = [name for name in columns if name.strip().casefold().replace(" ", "_") in tier and name not in taken]
        if found:
            return found
    return []


def _ambiguous(table: Table, path: Path, what: str, names: Sequence[str]) -> ColumnError:
    word = "One of these columns could be" if names else "No column could be"
    return ColumnError(
        f"{word} the {what} of the table '{path.name}': {_examples(table, names)}.",
        hint=f"Name it: --{what} {names[0] if names else 'COLUMN'}",
    )


def _choices(table: Table) -> str:
    return f"The columns are {_examples(table, table.columns)}."


def _examples(table: Table, names: Sequence[str]) -> str:
    return ", ".join(f"'{name}' ({_example(table, name)})" for name in names[:12]) + (
        ", ..." if len(names) > 12 else ""
    )


def _example(table: Table, name: str) -> str:
    value = next((cell for cell in table.column(name) if cell.strip()), "")
    short = " ".join(value.split())
    return f"e.g. '{short[:40]}{'...' if len(short) > 40 else ''}'" if short else "all empty"


def _sample(table: Table, name: str) -> list[str]:
    return [cell.strip() for cell in table.column(name)[:_LOOKED_AT] if cell.strip()]


def _pictures(table: Table, name: str) -> list[str]:
    return [cell for cell in _sample(table, name) if Path(cell).suffix.lower() in SUFFIXES]


def _holds_files(table: Table, name: str, base: Path) -> bool:
    sample, pictures = _sample(table, name), _pictures(table, name)
    there = sum(is_file(located(base, cell)) for cell in pictures)
    return bool(sample) and there > 0.5 * len(sample)


def located(base: Path, cell: str) -> Path:
    """The file that a cell names, below `base` unless it is absolute; Windows' back slashes are understood."""
    path = base / printable(cell)
    turned = base / printable(cell).replace("\\", "/")
    return turned if turned != path and is_file(turned) else path


def is_file(path: Path) -> bool:
    """Whether there is such a file; a text that is no possible path is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _refuse_lost_files(table: Table, names: Sequence[str], base: Path) -> None:
    for name in names:
        sample, pictures = _sample(table, name), _pictures(table, name)
        if sample and len(pictures) > 0.5 * len(sample):
            raise ColumnError(
                f"Column '{name}' holds names of pictures ({listing(pictures, 2)}), but they do not lie in '{base}'.",
                hint="Name the folder that they lie in: --files FOLDER",
            )


def _holds_texts(table: Table, name: str) -> bool:
    sample = _sample(table, name)
    if not sample or all(_is_number(cell) for cell in sample):
        return False
    spaced = sum(" " in cell for cell in sample) / len(sample)
    return spaced > 0.5 and len(set(sample)) > 0.5 * len(sample)


def _holds_classes(table: Table, name: str) -> bool:
    cells = [cell.strip() for cell in table.column(name) if cell.strip().casefold() not in MISSING]
    different = set(cells)
    return 2 <= len(different) <= max(2, len(cells) // 3) and max(map(len, different)) <= 60


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
