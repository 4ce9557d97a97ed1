"""Which file a cell of a table means: as it stands, or up to what machines disagree about."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from keiki.data.names import printable
from keiki.data.picture import SUFFIXES as PICTURES
from keiki.data.sources.layout import is_system
from keiki.data.sources.unpacked import archive_of

TEXTS = frozenset({".txt"})
MOST_FILES = 200_000  # below a folder; beyond, only names count that fit as they stand


class Places:
    """Files below `base`.

    A name that does not fit as it stands may differ by back slashes, capitals, composed letters (NFC or NFD), a suffix
    that is left out, folders in between, or the folders of another machine in front. It counts where exactly one file
    fits; the folder is listed for that only once, and only if asked.

    table: where the names stand, if that is elsewhere. A table on the disk may name any file; one that came out of an
    archive was written by somebody else, and means what lies in the archive (or below `base`) alone.
    """

    def __init__(self, base: Path, table: Path | None = None) -> None:
        self.base = base
        archive = archive_of(table or base)
        self._walls = [] if archive is None else [archive, Path(os.path.abspath(base))]
        self._index: dict[str, Path | None] | None = None

    def find(self, cells: Sequence[str], search: bool = True) -> list[Path]:
        """A path for every cell; where no file fits, the one that the cell spells."""
        plain = [self.plain(cell) for cell in cells]
        lost = [i for i, path in enumerate(plain) if search and cells[i].strip() and not is_file(path)]
        for i, name in zip(lost, _without_machine([cells[i] for i in lost]), strict=True):
            plain[i] = self._fitting(name) or plain[i]
        return plain

    def plain(self, cell: str) -> Path:
        """The path that a cell spells, below `base` unless it is absolute."""
        path = walled(self.base / printable(cell), self._walls)
        turned = walled(self.base / printable(cell).replace("\\", "/"), self._walls)
        return turned if turned != path and is_file(turned) else path

    def said(self, column: str, cells: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
        """A note where files were found under other names than the cells spell."""
        other = [i for i, cell in enumerate(cells) if self.base in paths[i].parents and paths[i] != self.plain(cell)]
        if not other:
            return ()
        shown = cells[other[0]].strip()
        there = printable(paths[other[0]].relative_to(self.base).as_posix())
        count = f"{len(other)} names" if len(other) > 1 else "One name"
        return (f"{count} in column '{column}' fit a file that is spelled otherwise: '{shown}' is '{there}'.",)

    def _fitting(self, name: str) -> Path | None:
        if self._index is None:
            self._index = _index(self.base)
        key = _key(name)
        return next((path for mark in ("=", "~", "-") if (path := self._index.get(mark + key)) is not None), None)


def is_file(path: Path) -> bool:
    """Whether there is such a file; a text that is no possible path is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def walled(path: Path, walls: Sequence[Path]) -> Path:
    """The path itself if it lies in one of the folders, or there are none; else what it means if the first were all.

    >>> walled(Path("/data/a/../1.png"), [Path("/data/a"), Path("/data")]).as_posix()
    '/data/a/../1.png'
    >>> walled(Path("/data/a/../../etc/passwd"), [Path("/data")]).as_posix()
    '/data/etc/passwd'
    """
    place = Path(os.path.abspath(path))
    if not walls or any(wall in place.parents for wall in walls):
        return path
    return walls[0] / place.relative_to(place.anchor)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _index(base: Path) -> dict[str, Path | None]:
    """Files by '=' their name below `base`, '~' every end of it, '-' every end without suffix; None: several fit."""
    index: dict[str, Path | None] = {}

    def put(key: str, path: Path) -> None:
        index[key] = None if key in index else path

    for count, path in enumerate(_walk(base)):
        if count == MOST_FILES:
            return {}
        parts = path.relative_to(base).parts
        put("=" + _key("/".join(parts)), path)
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            put("~" + _key(end), path)
            stem, suffix = os.path.splitext(end)
            if suffix.lower() in PICTURES | TEXTS:
                put("-" + _key(stem), path)
    return index


def _walk(base: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(base):
        folders[:] = sorted(each for each in folders if not is_system(each))
        yield from (Path(place, name) for name in sorted(names) if not is_system(name))


def _without_machine(cells: Sequence[str]) -> list[str]:
    """Names below the folder that the absolute ones have in common: 'C:\\photos\\a\\1.jpg' becomes 'a/1.jpg'.

    >>> _without_machine(["/data/x/a/1.jpg", "/data/x/b/2.jpg", "c/3.jpg"])
    ['a/1.jpg', 'b/2.jpg', 'c/3.jpg']
    """
    names = [PurePosixPath(printable(cell).strip().replace("\\", "/")).as_posix() for cell in cells]
    absolute = [name.split("/") for name in names if _is_absolute(name)]
    if not absolute:
        return names
    common = os.path.commonprefix([parts[:-1] for parts in absolute])
    return ["/".join(name.split("/")[len(common) :]) if _is_absolute(name) else name for name in names]


def _is_absolute(name: str) -> bool:
    return name.startswith("/") or re.match("[A-Za-z]:/", name) is not None
