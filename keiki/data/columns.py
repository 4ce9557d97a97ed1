"""Which column of a table is the input, which the label: as asked, or guessed and said aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keiki.core.errors import ColumnError, DataError
from keiki.core.options import near_miss
from keiki.data.labels import are_dates, is_number
from keiki.data.labels import refuse_quantities as refuse_quantities
from keiki.data.names import listing
from keiki.data.picture import SUFFIXES, sniff
from keiki.data.rows import Table
from keiki.data.sources.base import Request
from keiki.data.sources.places import TEXTS, Places, is_file
from keiki.data.task import PARTS, Part

TEXT_NAMES = (
    ("text", "texts", "sentence", "sentences", "review", "message", "body", "content", "comment", "document", "tweet"),
    ("question", "query", "utterance", "description", "abstract", "article", "post", "ticket", "request", "input"),
    ("title", "headline", "subject", "summary", "name"),
)
FILE_NAMES = frozenset(
    {"file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_path", "img", "picture", "photo"}
    | {"id", "image_id", "img_id", "photo_id", "picture_id", "image_name", "img_name"}
)
LABEL_NAMES = (
    ("label", "labels", "class", "classes", "category", "target"),
    ("class_name", "label_name", "category_name", "y", "tag", "sentiment", "intent", "topic", "species", "genre"),
    ("type", "kind", "section", "group", "language", "rating", "stars", "score"),
)
SPLIT_NAMES = frozenset({"split", "set", "subset", "part", "partition", "fold"})
SPLIT_VALUES: dict[str, Part] = {**PARTS, "": ""}
_ERRORS = {"#ref!", "#div/0!", "#value!", "#name?", "#null!", "#num!", "#error!"}  # of spreadsheets
MISSING = frozenset({"", "nan", "null", "n/a", "#n/a", "<na>"} | _ERRORS)
_LOOKED_AT = 500  # rows that a column is judged by
_SNIFFED = 20  # files whose first bytes are looked at
_LONGEST = 255  # letters of a file's name

Kind = Literal["", "pictures", "texts"]
_HELD: dict[Kind, str] = {"pictures": "pictures", "texts": "text files"}


@dataclass(frozen=True)
class Columns:
    """The chosen columns; files: what the files are that the input names, '' where it is a text itself."""

    inputs: tuple[str, ...]
    files: Kind
    label: str | None
    group: str | None
    time: str | None
    split: str | None
    notes: tuple[str, ...]


def choose(table: Table, path: Path, base: Path, request: Request, places: Places | None = None) -> Columns:
    """The columns that `request` names, guessed where it names none; raises ColumnError with the choices.

    base: the folder in which files lie; places: the same, where it has been looked into already.
    """
    places = places or Places(base)
    split = _split_column(table, request)
    group = _extra(table, path, "group", request.group, request.strict)
    time = _extra(table, path, "time", request.time, request.strict)
    label = asked(table, path, "label", request.label) if request.label else None
    taken = {each for each in (split, group, time, label) if each}
    if request.input:
        inputs, guess = _asked_inputs(table, path, request.input), ""
        files: Kind = file_kind(table, inputs[0], places, named=True) if len(inputs) == 1 else ""
        if not files:
            _refuse_lost_files(table, inputs, places)
    else:
        inputs, files, guess = _guess_input(table, path, places, taken, named=request.files is not None)
    if request.files is not None and not files:
        raise ColumnError(
            f"--files '{request.files}' was given, but column {listing(inputs)} names no pictures or text files there.",
            hint=f"Name the column of files by --input. {_choices(table)}",
        )
    notes = [guess] if guess else []
    if label is None and (request.labelled or _named(table.columns, LABEL_NAMES, taken | set(inputs))):
        label, said = _guess_label(table, path, taken | set(inputs), request.labelled)
        notes += [said] if said else []
    if label in inputs:
        raise ColumnError(f"Column '{label}' cannot be the input and the label.", hint=_choices(table))
    if split:
        notes.append(f"Column '{split}' says which rows are for training, validation and test.")
    return Columns(inputs, files, label, group, time, split, tuple(notes))


def asked(table: Table, path: Path, what: str, name: str) -> str:
    """The column that was asked for by `--what name`; raises ColumnError with the near miss."""
    if name in table.columns:
        return name
    guess = near_miss(name, table.columns)
    raise ColumnError(
        f"The table '{path.name}' has no column '{name}' for --{what}.",
        hint=(f"Did you mean '{guess}'? " if guess else "") + _choices(table),
    )


def _extra(table: Table, path: Path, what: str, name: str | None, strict: bool) -> str | None:
    """A column that not all data need: where it was named for other data, it may be missing."""
    return asked(table, path, what, name) if name and (strict or name in table.columns) else None


def labelled_by(table: Table, taken: set[str]) -> list[str]:
    """Columns that are called like a label."""
    return _named(table.columns, LABEL_NAMES, taken)


def file_kind(table: Table, name: str, places: Places, named: bool = False) -> Kind:
    """What the files are that a column names, '' where it names none.

    named: the user chose the column, so that names without suffix are looked for as well.
    """
    if name in table.embedded:
        return "pictures"
    sample = _sample(table, name)
    for kind, suffixes in _SUFFIXES.items():
        spelled = [cell for cell in sample if Path(cell).suffix.lower() in suffixes]
        if sample and len(spelled) > 0.5 * len(sample):
            there = sum(map(is_file, places.find(spelled)))
            return kind if there > 0.5 * len(sample) else ""
    if not sample or max(map(len, sample)) > _LONGEST or not (named or _plain(name) in FILE_NAMES):
        return ""
    worded = 2 * sum(" " in cell for cell in sample) > len(sample)  # texts: not worth looking through a folder
    files = [path for path in places.find(sample, search=named and not worded) if is_file(path)]
    return _kind_of(files[:_SNIFFED]) if len(files) > 0.5 * len(sample) else ""


_SUFFIXES: dict[Kind, frozenset[str]] = {"pictures": SUFFIXES, "texts": TEXTS}


def _kind_of(files: Sequence[Path]) -> Kind:
    """Pictures if most files begin like one; text files only if their suffix says so."""
    pictures = sum(sniff(_start(path)) is not None for path in files)
    texts = sum(path.suffix.lower() in TEXTS for path in files)
    return "pictures" if 2 * pictures > len(files) else "texts" if 2 * texts > len(files) else ""


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError:
        return b""


def _asked_inputs(table: Table, path: Path, names: str) -> tuple[str, ...]:
    if names in table.columns:
        return (names,)
    return tuple(asked(table, path, "input", name.strip()) for name in names.split(","))


def _split_column(table: Table, request: Request) -> str | None:
    said = {request.input, request.label, request.group, request.time}
    for name in table.columns:
        if name.casefold() not in SPLIT_NAMES or name in said:
            continue
        values = {cell.strip().casefold() for cell in table.column(name)}
        unknown = sorted(values - set(SPLIT_VALUES))
        if unknown and values & set(PARTS) and request.labelled and request.learned:
            raise DataError(
                f"Column '{name}' says which rows are for training and test, but {listing(map(_short, unknown))} is no "
                "part that is known.",
                hint=f"Write {', '.join(sorted(PARTS))} or leave the cell empty; if it is no split, rename the column.",
            )
        if not unknown and values - {""}:
            return name
    return None


def _guess_input(
    table: Table, path: Path, places: Places, taken: set[str], named: bool
) -> tuple[tuple[str, ...], Kind, str]:
    """The columns, what files they name, and what is to be said; named: files are there for sure."""
    free = [name for name in table.columns if name not in taken]
    if files := {name: kind for name in free if (kind := file_kind(table, name, places, named))}:
        return _the_files(table, path, files)
    _refuse_lost_files(table, free, places)
    called = _named(free, TEXT_NAMES, set())
    if len(called) == 1:
        return (called[0],), "", f"Column '{called[0]}' was taken for the input, by its name."
    if called:
        raise _ambiguous(table, path, "input", called)
    texts = [name for name in free if _holds_texts(table, name)]
    if len(texts) == 1:
        return (texts[0],), "", f"Column '{texts[0]}' was taken for the input: it is the one that holds texts."
    like_files = [name for name in free if _plain(name) in FILE_NAMES] if not texts else []
    if files := {name: kind for name in like_files if (kind := file_kind(table, name, places, named=True))}:
        return _the_files(table, path, files)
    raise _ambiguous(table, path, "input", texts or free)


def _the_files(table: Table, path: Path, files: Mapping[str, Kind]) -> tuple[tuple[str, ...], Kind, str]:
    if len(files) > 1:
        raise _ambiguous(table, path, "input", list(files))
    [(name, kind)] = files.items()
    holds = "it holds" if name in table.embedded else "it holds names of"
    return (name,), kind, f"Column '{name}' was taken for the input: {holds} {_HELD[kind]}."


def _guess_label(table: Table, path: Path, taken: set[str], needed: bool) -> tuple[str | None, str]:
    free = [name for name in table.columns if name not in taken and name not in table.embedded]
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
        found = [name for name in columns if _plain(name) in tier and name not in taken]
        if found:
            return found
    return []


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")


def _ambiguous(table: Table, path: Path, what: str, names: Sequence[str]) -> ColumnError:
    word = "One of these columns could be" if names else "No column could be"
    return ColumnError(
        f"{word} the {what} of the table '{path.name}': {_examples(table, names)}.",
        hint=f"Name it: --{what} {names[0] if names else 'COLUMN'}",
    )


def _choices(table: Table) -> str:
    return f"The columns are {_examples(table, table.columns)}."


def _examples(table: Table, names: Sequence[str]) -> str:
    return ", ".join(f"'{_short(name)}' ({_example(table, name)})" for name in names[:12]) + (
        ", ..." if len(names) > 12 else ""
    )


def _example(table: Table, name: str) -> str:
    value = _short(next((cell for cell in table.column(name) if cell.strip()), ""))
    return f"e.g. '{value}'" if value else "all empty"


def _short(text: str) -> str:
    line = " ".join(text[:400].split())
    return f"{line[:40]}{'...' if len(line) > 40 else ''}"


def _sample(table: Table, name: str) -> list[str]:
    return [cell.strip() for cell in table.column(name)[:_LOOKED_AT] if cell.strip()]


def _refuse_lost_files(table: Table, names: Sequence[str], places: Places) -> None:
    for name in names:
        sample = _sample(table, name)
        pictures = [cell for cell in sample if Path(cell).suffix.lower() in SUFFIXES | TEXTS]
        if sample and len(pictures) > 0.5 * len(sample):
            raise ColumnError(
                f"Column '{name}' holds names of files ({listing(map(_short, pictures), 2)}), but they do not lie in "
                f"'{places.base}'.",
                hint="Name the folder that they lie in: --files FOLDER",
            )


def _holds_texts(table: Table, name: str) -> bool:
    sample = _sample(table, name)
    if not sample or all(is_number(cell) for cell in sample):
        return False
    spaced = sum(" " in cell for cell in sample) / len(sample)
    return spaced > 0.5 and len(set(sample)) > 0.5 * len(sample) and not are_dates(sample)


def _holds_classes(table: Table, name: str) -> bool:
    cells = [cell.strip() for cell in table.column(name) if cell.strip().casefold() not in MISSING]
    different = set(cells)
    few = 2 <= len(different) <= max(2, len(cells) // 3) and max(map(len, different)) <= 60
    return few and not are_dates(different)
