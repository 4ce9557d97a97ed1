"""Who uses what was unpacked: nothing that a living process reads may be removed under it.

<unpacked>/users/<process>.txt     the keys that a process has asked for, one a line
<unpacked>/users/<process>.lock    locked as long as the process lives, however it ends
"""

from __future__ import annotations

import contextlib
import os
import secrets
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

USERS = "users"


def hold(root: Path, key: str) -> None:
    """From now on and until this process ends, `key` below `root` is in use. The caller has the lock of `key`."""
    if not _mine(root, os.getpid())[0].exists():  # somebody has emptied the folder
        _mine.cache_clear()
    mine, _ = _mine(root, os.getpid())
    if key not in _keys(mine):
        with mine.open("a", encoding="ascii") as file:
            file.write(f"{key}\n")


def held(root: Path) -> set[str]:
    """The keys that living processes use; what dead ones have left is removed."""
    return {key for each in (root / USERS).glob("*.txt") if not _swept(each) for key in _keys(each)}


@cache
def _mine(root: Path, process: int) -> tuple[Path, FileLock]:
    """The list of this process and its lock, which is never given back."""
    held(root)  # sweeps
    folder = root / USERS
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{process}-{secrets.token_hex(4)}"
    lock = FileLock(folder / f"{name}.lock")
    lock.acquire()
    listed = folder / f"{name}.txt"
    listed.touch()
    return listed, lock


def _swept(listed: Path) -> bool:
    """Whether nobody holds the lock of a list; then both are removed."""
    lock = listed.with_suffix(".lock")
    try:
        with FileLock(lock, timeout=0):
            listed.unlink(missing_ok=True)
    except Timeout:
        return False
    with contextlib.suppress(OSError):  # another sweeper has it open
        lock.unlink(missing_ok=True)
    return True


def _keys(listed: Path) -> list[str]:
    try:
        return listed.read_text(encoding="ascii").split()
    except FileNotFoundError:  # its process has ended, and others have swept
        return []
