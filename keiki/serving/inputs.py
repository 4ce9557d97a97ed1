"""What a person names on the command line, as raw items: files, folders, tables, '-' for standard input, a text."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keiki.artifacts.origin import Columns
from keiki.core.errors import DataError, RequestError, UnreadableItem
from keiki.data.names import printable
from keiki.data.passage import decoded
from keiki.data.picture import SUFFIXES as PICTURES
from keiki.data.picture import read_file, sniff
from keiki.data.rows import SUFFIXES as TEXT_TABLES
from keiki.data.rows import SkippedRow
from keiki.data.sources.base import Request, exists, find, parted, read
from keiki.data.sources.folder import Walk
from keiki.data.sources.layout import TABLES
from keiki.data.task import Dataset, Raw
from keiki.serving.columns import read_as_fitted, wanted

TEXTS = frozenset({".txt", ".md"})
STDIN = "-"
_SINGLE = PICTURES | TEXTS  # files of one item, by their suffix
_NUMBERS = TEXT_TABLES | {".npz", ".npy"}  # where columns of numbers are meant whatever else stands there
_FOLDERS = ("folder", "metadata")  # sources of folders whose files are items, whatever else is said of them


@dataclass(frozen=True)
class Input:
    """One item: what it is called in the answer, and the raw item, or why there is none."""

    name: str
    raw: Raw | None
    error: str = ""


@dataclass
class Inputs:
    """All items in the order they were named, and what was decided on the way, as sentences."""

    items: list[Input] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def gather(
    named: Sequence[str],
    modality: str,
    lines: Callable[[], Iterable[str]],
    columns: Request | None = None,
    fitted: Columns | None = None,
) -> Inputs:
    """The items meant by `named`; `lines` gives standard input, line by line, and is asked only for '-'.

    columns: which column of a table holds the input, and where its files lie; fitted: what the fit used, which counts
    where `columns` says nothing. A path that is not there becomes an item with an error; DataError only where nothing
    at all was named or found, RequestError for a name of nothing but blanks, which would mean this very folder.
    """
    if empty := [at for at, name in enumerate(named, start=1) if not name.strip()]:
        raise RequestError(
            f"Input {empty[0]} of {len(named)} is empty.", hint="Name a file, a folder or a text; '.' is this folder."
        )
    found = Inputs()
    asked = _Asked(modality, lines, columns or Request(), fitted or Columns(), found.notes)
    for name in named:
        found.items.extend(_items(name, asked))
    if not found.items:
        where = ", ".join(f"'{name}'" for name in named)
        raise DataError(f"There is nothing to predict in {where}.", hint=_readable(modality))
    return found


@dataclass(frozen=True)
class _Asked:
    """What was said of all inputs, and where to say what was decided."""

    modality: str
    lines: Callable[[], Iterable[str]]
    columns: Request
    fitted: Columns
    notes: list[str]


def _items(name: str, asked: _Asked) -> Iterable[Input]:
    if name == STDIN:
        return _from_lines(asked.lines(), asked.modality)
    path = Path(name)
    whole, part = parted(path)
    if exists(whole):
        if part is None and whole.is_file() and whole.suffix.lower() in _SINGLE:
            return [_file(whole, asked.modality)]
        source = find(whole)
        if source is None:
            return [_file(whole, asked.modality)]
        if source.name in _FOLDERS:
            return _from_folder(whole, asked.modality, asked.notes)
        return _from_data(path, asked)
    if asked.modality == "text" and _is_sentence(name):
        asked.notes.append("The argument is no file; it was read as a text itself.")
        return [Input(printable(name), name)]
    return [Input(printable(name), None, _nowhere(name, asked.modality))]


def _nowhere(name: str, modality: str) -> str:
    """That there is no such path; for what may be a word, how to have it read as a text."""
    if modality != "text" or not re.fullmatch(r"[\w'’-]+[.!?]?", name):
        return "no such file or folder"
    return f"no such file or folder; to read one word as a text:  echo {shlex.quote(name)} | keiki predict RUN {STDIN}"


def _is_sentence(text: str) -> bool:
    """Whether an argument that is no path is meant as a text: it has a blank, and does not end like a file.

    >>> _is_sentence("where is my parcel"), _is_sentence("my texts.csv"), _is_sentence("look at example.com")
    (True, False, True)
    """
    suffix = re.search(r"\.[A-Za-z][A-Za-z0-9]{1,6}$", text.strip())
    return " " in text.strip() and (suffix is None or suffix[0].lower() not in _SINGLE | TABLES | {".zip", ".npy"})


def _from_lines(lines: Iterable[str], modality: str) -> Iterator[Input]:
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        if modality == "image":
            yield Input(printable(text), Path(text))
        elif modality == "vector":
            yield _numbers(f"line {number}", text)
        else:
            yield Input(f"line {number}", text)


def _numbers(name: str, text: str) -> Input:
    from keiki.data.vectors import parsed_row

    try:
        return Input(name, parsed_row(text))
    except UnreadableItem as problem:
        return Input(name, None, problem.reason)


def _from_folder(folder: Path, modality: str, notes: list[str]) -> list[Input]:
    """The pictures or texts below a folder, found as a fit finds them: pictures by suffix or by their first bytes."""
    walk = Walk(folder)
    files = list(walk.files())
    for each in walk.skipped:
        if not each.foreign:
            notes.append(f"'{folder / each.id}' was not entered: {each.reason}.")
    wanted = PICTURES if modality == "image" else TEXTS
    chosen = [file for file in files if file.suffix.lower() in wanted or (modality == "image" and _is_picture(file))]
    chosen = chosen or [file for file in files if not file.suffix]
    if others := len(files) - len(chosen):
        what = "pictures are read, whatever they are called" if modality == "image" else f"{_suffixes(TEXTS)} are read"
        notes.append(f"{others} other files in '{folder}' were left out; {what}.")
    return [_file(file, modality) for file in chosen]


def _is_picture(file: Path) -> bool:
    """Whether a file whose name promises nothing begins like a picture."""
    try:
        with file.open("rb") if file.is_file() else io.BytesIO() as opened:
            return sniff(opened.read(256)) is not None
    except OSError:
        return False  # it is counted among the other files


def _suffixes(suffixes: Iterable[str]) -> str:
    return ", ".join(sorted(suffixes))


def _file(path: Path, modality: str) -> Input:
    name = printable(str(path))
    if modality == "image":
        return Input(name, path)
    try:
        text = decoded(read_file(path))[0]
    except UnreadableItem as problem:
        return Input(name, None, problem.reason)
    return _numbers(name, text) if modality == "vector" else Input(name, text)


def _from_data(path: Path, asked: _Asked) -> list[Input]:
    """The items of a table, a zip or arrays."""
    modality, request = asked.modality, replace(asked.columns, labelled=False, strict=False)
    about = wanted(modality, labels=False)
    data = read_as_fitted(lambda wish: _read(path, modality, wish), request, asked.fitted, about)
    if data.items.modality != modality:
        raise DataError(
            f"'{path}' holds inputs of the kind '{data.items.modality}', but the model takes '{modality}'.",
            hint="Name the right column: --input COLUMN",
        )
    asked.notes.extend(data.notes)
    return list(_in_order(data))


def _in_order(data: Dataset) -> Iterator[Input]:
    """Items and what could not be read, as they stand in a table; what has no place in it comes last."""
    lost: dict[int, list[Input]] = {}
    for each in data.skipped:
        if not each.foreign:
            place = each.before if isinstance(each, SkippedRow) else len(data)
            lost.setdefault(place, []).append(Input(each.id, None, each.reason))
    for place, (name, raw) in enumerate(zip(data.items.ids, data.items.raws, strict=True)):
        yield from lost.get(place, ())
        yield Input(name, raw)
    yield from lost.get(len(data), ())


def _read(path: Path, modality: str, request: Request) -> Dataset:
    if modality == "vector" and path.suffix.lower() in _NUMBERS:
        from keiki.data.sources.arrays import read_vectors

        return read_vectors(path, request)
    return read(path, request)


def _readable(modality: str) -> str:
    single = {"image": sorted(PICTURES), "text": sorted(TEXTS)}.get(modality, [".npz", ".npy"])
    return f"Read are {', '.join(single)}, tables (.csv, .tsv, .jsonl, .xlsx, .parquet), and a .zip of them."
