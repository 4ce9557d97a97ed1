"""What lies at the top of a folder: system files, tables, metadata, parts of a split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from keiki.data.names import natural
from keiki.data.picture import SUFFIXES as PICTURES
from keiki.data.rows import SUFFIXES as TEXT_TABLES
from keiki.data.task import PARTS

_SYSTEM = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "$recycle.bin", "system volume information"}
)
PARQUET = frozenset({".parquet", ".pq"})
WORKBOOKS = frozenset({".xlsx", ".xlsm"})
ARRAYS = frozenset({".npz"})
TABLES = TEXT_TABLES | PARQUET | WORKBOOKS | ARRAYS
METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")
SHARDS = "data"  # the folder in which published data sets keep their Parquet files


def is_system(name: str) -> bool:
    """Whether an operating system left this file or folder there.

    >>> is_system("Thumbs.db"), is_system("._cat.jpg"), is_system("cat.jpg")
    (True, True, False)
    """
    return name.startswith(".") or name.casefold() in _SYSTEM


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, in natural order and without system files; nothing where it cannot be read."""
    return [folder / name for name in sorted(_names(folder), key=natural)]


def tables(folder: Path) -> list[Path]:
    """The tables directly in a folder; `.json` files, which mostly hold settings, only where there are no others."""
    found = _files(folder, TABLES)
    return [path for path in found if path.suffix.lower() != ".json"] or found


def metadata(folder: Path) -> dict[str, Path]:
    """The metadata tables of a folder: '' its own, 'train', 'test' ... those of the parts of a split."""
    found = {}
    for part in ("", *sorted(name for name in _names(folder) if name.casefold() in PARTS)):
        own = next((each for name in METADATA if os.path.isfile(each := folder / part / name)), None)
        if own is not None:
            found[part] = own
    return found


def shards(folder: Path) -> list[Path]:
    """The Parquet files of a folder that holds a data set in such files, as published ones do; else nothing."""
    for place in (folder, folder / SHARDS):
        found = _files(place, PARQUET)
        if found:
            others = [each for each in entries(place) if os.path.isdir(each)]
            beside = [each for each in others if not (place == folder and each.name == SHARDS)]
            return [] if beside or _files(place, PICTURES) else found
    return []


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not is_system(name)]
    except OSError:
        return []


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    names = [name for name in _names(folder) if os.path.splitext(name)[1].lower() in suffixes]
    return [folder / name for name in sorted(names, key=natural) if os.path.isfile(folder / name)]


def part_column(columns: Sequence[str]) -> str:
    """A name for a column of parts that is recognised as one and not taken."""
    names, taken = ("split", "partition", "part", "subset", "set", "fold"), {name.casefold() for name in columns}
    return next((name for name in names if name not in taken), "split")
