"""What lies packed in a file (a zip, pictures inside a table), unpacked once into the cache.

    <cache>/unpacked/<key>/files/...      what came out
    <cache>/unpacked/<key>/entry.json     the length of every file, and what was remarked while unpacking

The key is a digest of the packed file, so equal files are unpacked once and a changed one anew. A folder appears by
renaming, whole or not at all; where files are missing or of another length it is made again. Once no living process
uses it, the cache counts it against its cap, and may remove it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from keiki.core.errors import DataError
from keiki.core.files import TEMPORARY, read_json, write_json, writing_folder
from keiki.core.places import cache_root
from keiki.data.sources.holds import USERS, held, hold

AREA = "unpacked"
FORMAT = 1  # of what is kept; a new number unpacks everything anew
STALE_SECONDS = 86_400.0  # after which a leftover of a killed process is removed
_FILES, _ENTRY = "files", "entry.json"
_SPARE_BYTES = 2**28  # that stay free on the disk


def unpacked(key: str, size: int, fill: Callable[[Path], Any]) -> tuple[Path, Any]:
    """The folder that `fill` has filled under `key`, and the remarks (JSON) that it returned; filled now if need be.

    size: bytes that will come out, as far as is known. Raises DataError where the cache has no room or is read-only.
    """
    root = cache_root() / AREA
    home = root / key
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(home)):
            hold(root, key)
            entry = _sound(home)
            if entry is None:
                _refuse_full_disk(root, size)
                _sweep(root)
                entry = _filled(home, fill)
            os.utime(home / _ENTRY)
    except OSError as problem:
        raise DataError(
            f"Nothing can be unpacked into '{root}': {problem.strerror or problem}.", hint=_elsewhere()
        ) from problem
    return home / _FILES, entry["remarks"]


def archive_of(path: Path) -> Path | None:
    """The folder of unpacked files that `path` is or lies in; None for what did not come out of an archive."""
    root, place = (Path(os.path.abspath(each)) for each in (cache_root() / AREA, path))
    parts = place.relative_to(root).parts if root in place.parents else ()
    return root.joinpath(*parts[:2]) if parts[1:2] == (_FILES,) else None


@dataclass(frozen=True)
class Idle:
    """Something unpacked that no living process uses: when it was last asked for, and its bytes."""

    home: Path
    used_at: float
    size: int


def idle(root: Path) -> list[Idle]:
    """What lies unpacked below `root`, a folder of caches, and is not in use."""
    busy = {USERS, *held(root / AREA)}
    homes = [each for each in sorted((root / AREA).glob("*/")) if not each.name.startswith(TEMPORARY)]
    return [Idle(each, *_told(each)) for each in homes if each.name not in busy]


def removed(home: Path) -> bool:
    """Whether it could be removed: not while a process unpacks or uses it, nor where the system refuses."""
    try:
        with FileLock(_lock(home), timeout=0):
            if home.name in held(home.parent):
                return False
            temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=home.parent))
            os.rename(home, temporary / "old")  # no reader sees a folder that is half gone
    except (Timeout, OSError):
        return False
    shutil.rmtree(temporary, ignore_errors=True)  # what is left is swept later
    return True


def _lock(home: Path) -> Path:
    return home.with_name(f"{home.name}.lock")


def _told(home: Path) -> tuple[float, int]:
    """When a folder was last asked for and its bytes, by its entry; what is damaged goes first."""
    try:
        return (home / _ENTRY).stat().st_mtime, sum(read_json(home / _ENTRY)["files"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0, 0


def _filled(home: Path, fill: Callable[[Path], Any]) -> dict[str, Any]:
    with writing_folder(home) as temporary:
        inside = temporary / _FILES
        inside.mkdir()
        remarks = fill(inside)
        files = [Path(place, name) for place, _, names in os.walk(inside) for name in names]
        sizes = {each.relative_to(inside).as_posix(): each.stat().st_size for each in files}
        entry = {"format": FORMAT, "remarks": remarks, "files": sizes}
        write_json(temporary / _ENTRY, entry)
    return entry


def _sound(home: Path) -> dict[str, Any] | None:
    """What is told of the folder, None unless all of its files are there in their full length."""
    try:
        entry: dict[str, Any] = read_json(home / _ENTRY)
        whole = entry["format"] == FORMAT and all(
            (home / _FILES / name).stat().st_size == size for name, size in entry["files"].items()
        )
        return entry if whole and "remarks" in entry else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there, or damaged: it is made again


def _refuse_full_disk(root: Path, size: int) -> None:
    free = shutil.disk_usage(root).free
    if size + _SPARE_BYTES > free:
        raise DataError(
            f"Unpacked, the data need {size / 2**30:,.1f} GiB, but '{root}' has {free / 2**30:,.1f} GiB left.",
            hint=_elsewhere(),
        )


def _elsewhere() -> str:
    return "Free some space there, or set the environment variable KEIKI_CACHE to another folder."


def _sweep(root: Path) -> None:
    """Remove what killed processes left."""
    for each in root.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):  # its owner or another sweeper was faster
            if each.stat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(each)
