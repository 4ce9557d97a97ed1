"""Sources: one file a format; each turns a path into a Dataset and says aloud what it guessed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from keiki.core.errors import DataError
from keiki.core.registry import Registry
from keiki.data.task import Dataset


@dataclass(frozen=True)
class Request:
    """What the user said about the data; None means: guess, and say the guess."""

    input: str | None = None
    label: str | None = None
    files: Path | None = None
    group: str | None = None
    labelled: bool = True  # False: labels may be missing (predict, target domains)


class Source(ABC):
    """One format of data on disk."""

    name: ClassVar[str]
    example: ClassVar[str]  # how such data look, in one line

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
    """The data under `path`, by the one source that matches; raises DataError where none does."""
    request = request or Request()
    if not _exists(path):
        raise DataError(f"No such file or folder: '{path}'.", hint=_nearby(path))
    for source in SOURCES.values():
        if source.matches(path):
            return source.read(path, request)
    known = "; ".join(source.example for source in SOURCES.values())
    raise DataError(f"'{path}' is none of the formats that keiki reads.", hint=f"They are: {known}.")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than a path may be, with a NUL, or behind a closed folder
        return False


def _nearby(path: Path) -> str:
    from keiki.core.options import near_miss

    parent = path.parent
    if not os.path.isdir(parent):
        return f"The folder '{parent}' does not exist either."
    guess = near_miss(path.name, [child.name for child in parent.iterdir()])
    return f"Did you mean '{parent / guess}'?" if guess else f"Look into '{parent}'."
