"""Sources: one file a format; each turns a path into a Dataset and says aloud what it guessed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from keiki.core.errors import ColumnError, DataError
from keiki.core.registry import Registry
from keiki.data.task import Dataset

MARK = "#"  # book.xlsx#Sheet2: what of a file is meant


@dataclass(frozen=True)
class Request:
    """What the user said about the data; None means: guess, and say the guess.

    inner: which part of a file with several parts is meant (a sheet of a workbook, a file in a zip). strict False: what
    is said about columns was meant for other data named beside these, so data without columns may ignore it, and groups
    and times may be missing.
    """

    input: str | None = None
    label: str | None = None
    files: Path | None = None
    group: str | None = None
    time: str | None = None
    labelled: bool = True  # False: labels may be missing (predict, target domains)
    inner: str | None = None
    strict: bool = True
    learned: bool = True  # False: labels are only compared with, so whether they could be classes is not asked


class Source(ABC):
    """One format of data on disk."""

    name: ClassVar[str]
    example: ClassVar[str]  # how such data look, in one line
    has_parts: ClassVar[bool] = False  # whether 'FILE#PART' means something

    @classmethod
    @abstractmethod
    def matches(cls, path: Path) -> bool:
        """Whether this format is meant by `path`, which exists."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        """The data under `path`; raises DataError or ColumnError with the choices."""


SOURCES: Registry[type[Source]] = Registry("source", "keiki.data.sources")


def read(path: Path, request: Request | None = None) -> Dataset:
    """The data under `path`, by the one source that matches; raises DataError where none does.

    'book.xlsx#Sheet2' and 'data.zip#train.csv' name a part of a file.
    """
    request = request or Request()
    whole, inner = parted(path)
    if not exists(whole):
        raise _printable(DataError(f"No such file or folder: '{path}'.", hint=_nearby(whole)))
    source = find(whole)
    if source is None:
        raise _printable(DataError(f"'{path}' is none of the formats that keiki reads.", hint=_instead(whole)))
    if inner and not source.has_parts:
        raise _printable(DataError(f"'{whole}' has no parts to choose from.", hint=f"Leave out '{MARK}{inner}'."))
    try:
        return source.read(whole, replace(request, inner=inner))
    except DataError as error:
        if str(error).isprintable():
            raise
        raise _printable(error) from error


def find(path: Path) -> type[Source] | None:
    """The source that takes `path`, which exists; None where none does."""
    return next((source for source in SOURCES.values() if source.matches(path)), None)


def parted(path: Path) -> tuple[Path, str | None]:
    """The file that is meant and which part of it: 'book.xlsx#Sheet2'; a path that exists as it stands is whole."""
    text = str(path)
    if MARK not in text or exists(path):
        return path, None
    places = [at for at, letter in enumerate(text) if letter == MARK]
    whole = next((at for at in places if os.path.isfile(text[:at])), None)
    return (path, None) if whole is None else (Path(text[:whole]), text[whole + 1 :] or None)


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; a path that cannot be one is none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than a path may be, with a NUL, or behind a closed folder
        return False


def reworded(error: DataError, change: Callable[[str], str]) -> DataError:
    """The same error in other words."""
    kind = ColumnError if isinstance(error, ColumnError) else DataError
    return kind(change(error.what), hint=change(error.hint))


def _printable(error: DataError) -> DataError:
    """The error without control characters, which cells and names of files may hold."""
    return reworded(error, lambda text: "".join(each if each.isprintable() else " " for each in text))


def _nearby(path: Path) -> str:
    from keiki.core.options import near_miss

    parent = path.parent
    if not os.path.isdir(parent):
        return f"The folder '{parent}' does not exist either."
    try:
        guess = near_miss(path.name, os.listdir(parent))
    except OSError:
        return f"The folder '{parent}' cannot be looked into."
    return f"Did you mean '{parent / guess}'?" if guess else f"Look into '{parent}'."


_ARCHIVES = "Unpack it and give the folder, or pack it as .zip."
_PICKLES = "Such a file may run code when it is opened; save the arrays as .npz, or the table as .parquet."
_TEXTS = "Save the rows as a table: .csv, .xlsx or .parquet."
_INSTEAD = {
    **dict.fromkeys((".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"), _ARCHIVES),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".joblib", ".dill"), _PICKLES),
    **dict.fromkeys((".xls", ".xlsb", ".ods", ".numbers"), "Save it as .xlsx or .csv."),
    **dict.fromkeys((".feather", ".arrow", ".orc", ".avro", ".h5", ".hdf5", ".mat", ".sqlite", ".db"), _TEXTS),
    **dict.fromkeys((".doc", ".docx", ".pdf", ".rtf", ".html", ".xml", ".yaml", ".yml"), _TEXTS),
}


def _instead(path: Path) -> str:
    """What to do with a file of another format."""
    from keiki.data.picture import SUFFIXES

    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return "It is one picture; give the folder that holds a subfolder of pictures for each class."
    if suffix in _INSTEAD:
        return _INSTEAD[suffix]
    return f"They are: {'; '.join(source.example for source in SOURCES.values())}."
