"""What of an unpacked folder is meant: the part that was named, the one table in it, or the folder with the classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from keiki.core.errors import DataError
from keiki.core.options import near_miss
from keiki.data.names import listing
from keiki.data.picture import SUFFIXES as PICTURES
from keiki.data.sources.base import MARK, Request, exists
from keiki.data.sources.layout import entries, metadata, shards, tables
from keiki.data.sources.tabular import names_files
from keiki.data.task import PARTS, Skipped

_ITEMS = PICTURES | {".txt", ""}


def meant(folder: Path, request: Request, skipped: Sequence[Skipped] = ()) -> Path:
    """The path to read instead of `folder`; raises DataError where several tables could be meant, or none is there."""
    if request.inner:
        return _asked(folder, request.inner)
    place = folder
    while (inner := _wrapped(place)) is not None:
        place = inner
    found = tables(place)
    if not entries(place):
        reasons = "; ".join(f"{each.id}: {each.reason}" for each in skipped[:5] if not each.foreign)
        raise DataError(f"There is nothing to read in '{folder}'{': ' + reasons if reasons else ''}.", hint=_layout())
    if not found or metadata(place) or shards(place):
        return place
    if len(_with_items(place)) >= 2:  # class folders, as far as one can see; a table counts if it speaks of the files
        found = [table for table in found if names_files(table, request)]
    return found[0] if len(found) == 1 else place if not found else _ask(folder, found)


def _asked(folder: Path, inner: str) -> Path:
    name = PurePosixPath(inner.replace("\\", "/"))
    place = folder / name
    if ".." in name.parts or name.is_absolute() or not exists(folder / inner.partition(MARK)[0]):
        names = [each.relative_to(folder).as_posix() for each in _below(folder)]
        guess = near_miss(inner, names)
        hint = f"Did you mean '{folder}{MARK}{guess}'?" if guess else f"It holds {listing(names)}."
        raise DataError(f"'{folder}' holds no '{inner}'.", hint=hint)
    return place


def _below(folder: Path) -> list[Path]:
    """Tables and folders near the top: what can be named."""
    near = [each for each in entries(folder) if os.path.isdir(each)]
    return [*tables(folder), *near, *(table for each in near for table in tables(each))]


def _wrapped(place: Path) -> Path | None:
    """The one folder around everything else, if there is one; a folder of items is a class, not a wrapper."""
    inside = entries(place)
    folders = [each for each in inside if os.path.isdir(each)]
    if len(folders) != 1 or tables(place) or any(each.suffix.lower() in PICTURES for each in inside):
        return None
    below = entries(folders[0])
    holds_more = any(os.path.isdir(each) for each in below) or bool(tables(folders[0]))
    return folders[0] if holds_more and not metadata(place) and not shards(place) else None


def _with_items(place: Path) -> list[Path]:
    """Folders with something in them that could be an item."""
    return [each for each in entries(place) if os.path.isdir(each) and _holds_item(each)]


def _holds_item(folder: Path) -> bool:
    return any(Path(name).suffix.lower() in _ITEMS for _, _, names in os.walk(folder) for name in names)


def _ask(folder: Path, found: list[Path]) -> Path:
    names = [each.relative_to(folder).as_posix() for each in found]
    part = {PARTS.get(Path(name).stem.casefold(), ""): name for name in names}
    first, test = part.get("train", names[0]), part.get("test")
    more = f", and --test '{folder}{MARK}{test}'" if test and test != first else ""
    raise DataError(
        f"'{folder}' holds {len(names)} tables: {listing(names, 8)}.", hint=f"Name one: '{folder}{MARK}{first}'{more}."
    )


def _layout() -> str:
    return "Zip a folder with one subfolder a class (photos/cat/1.jpg, photos/dog/2.jpg), or a table."
