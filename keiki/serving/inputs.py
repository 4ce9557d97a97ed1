"""What a person names on the command line, as raw items: files, folders, tables, '-' for standard input, a text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keiki.core.errors import DataError
from keiki.data.names import natural, printable
from keiki.data.picture import SUFFIXES as PICTURES
from keiki.data.rows import SUFFIXES as TABLES
from keiki.data.sources.base import Request, read
from keiki.data.task import Raw

TEXTS = frozenset({".txt", ".md"})
STDIN = "-"


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
    named: Sequence[str], modality: str, lines: Callable[[], Iterable[str]], columns: Request | None = None
) -> Inputs:
    """The items meant by `named`; `lines` gives standard input, line by line, and is asked only for '-'.

    columns: which column of a table holds the input, and where its files lie. A path that is not there becomes an item
    with an error; DataError only where nothing at all was named or found.
    """
    found = Inputs()
    for name in named:
        found.items.extend(_items(name, modality, lines, columns or Request(), found.notes))
    if not found.items:
        where = ", ".join(f"'{name}'" for name in named)
        raise DataError(f"There is nothing to predict in {where}.", hint=f"Files must end in {_suffixes(modality)}.")
    return found


def _items(
    name: str, modality: str, lines: Callable[[], Iterable[str]], columns: Request, notes: list[str]
) -> Iterable[Input]:
    if name == STDIN:
        return _from_lines(lines(), modality)
    path = Path(name)
    if _exists(path):
        if path.is_dir():
            return _from_folder(path, modality, notes)
        if path.suffix.lower() in TABLES:
            return _from_table(path, modality, columns, notes)
        return [_file(path, modality)]
    if modality == "text" and _is_sentence(name):
        notes.append("The argument is no file; it was read as a text itself.")
        return [Input(printable(name), name)]
    return [Input(printable(name), None, "no such file or folder")]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than a path may be, or with a NUL: no file, perhaps a text
        return False


def _is_sentence(text: str) -> bool:
    """Whether an argument that is no path is meant as a text: it has a blank, and does not end like a file.

    >>> _is_sentence("where is my parcel"), _is_sentence("my texts.csv"), _is_sentence("parcel")
    (True, False, False)
    """
    return " " in text.strip() and not re.search(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", text.strip())


def _from_lines(lines: Iterable[str], modality: str) -> Iterator[Input]:
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        yield Input(printable(text), Path(text)) if modality == "image" else Input(f"line {number}", text)


def _from_folder(folder: Path, modality: str, notes: list[str]) -> list[Input]:
    wanted = PICTURES if modality == "image" else TEXTS
    files = sorted(_walk(folder, notes), key=lambda file: natural(str(file.relative_to(folder))))
    chosen = [file for file in files if file.suffix.lower() in wanted]
    if others := len(files) - len(chosen):
        notes.append(f"{others} other files in '{folder}' were left out; {_suffixes(modality)} are read.")
    return [_file(file, modality) for file in chosen]


def _walk(folder: Path, notes: list[str]) -> Iterator[Path]:
    """All files below `folder`; hidden ones and linked folders (which may lead back) are not entered."""

    def refused(error: OSError) -> None:
        notes.append(f"The folder '{error.filename}' could not be read: {error.strerror}.")

    for place, folders, names in os.walk(folder, onerror=refused):
        linked = [each for each in folders if os.path.islink(os.path.join(place, each))]
        notes.extend(f"The linked folder '{os.path.join(place, each)}' was not entered." for each in linked)
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (Path(place, each) for each in names if not each.startswith("."))


def _file(path: Path, modality: str) -> Input:
    name = printable(str(path))
    if modality == "image":
        return Input(name, path)
    try:
        return Input(name, path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        return Input(name, None, "not a text in UTF-8")
    except OSError as error:
        return Input(name, None, f"cannot be read: {error.strerror}")


def _from_table(path: Path, modality: str, columns: Request, notes: list[str]) -> list[Input]:
    data = read(path, replace(columns, labelled=False))
    if data.items.modality != modality:
        raise DataError(
            f"'{path}' holds inputs of the kind '{data.items.modality}', but the model takes '{modality}'.",
            hint="Name the right column: --input COLUMN",
        )
    notes.extend(data.notes)
    items = [Input(name, raw) for name, raw in zip(data.items.ids, data.items.raws, strict=True)]
    return items + [Input(each.id, None, each.reason) for each in data.skipped if not each.foreign]


def _suffixes(modality: str) -> str:
    return ", ".join(sorted(PICTURES if modality == "image" else TABLES | TEXTS))
