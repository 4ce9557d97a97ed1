"""What the cache asks of the file system: calls that change it, and locks that end with their process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl


class Disk:
    """The system calls that change the cache, in one place, so that a test can fail or die at each of them."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> BinaryIO:
        return path.open("xb")

    def write(self, file: BinaryIO, data: bytes | memoryview) -> None:
        file.write(data)
        file.flush()

    def sync(self, file: BinaryIO) -> None:
        os.fsync(file.fileno())

    def close(self, file: BinaryIO) -> None:
        file.close()

    def sync_folder(self, path: Path) -> None:
        if sys.platform == "win32":  # folders cannot be opened there
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def touch(self, path: Path) -> None:
        os.utime(path)

    def remove_file(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def remove_folder(self, path: Path) -> None:
        path.rmdir()


def lock(file: BinaryIO, exclusive: bool) -> bool:
    """Whether the lock was to be had at once.

    A file system without locks refuses the exclusive one (so nothing is evicted there) and grants the shared one.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return not exclusive
    return True


def is_locked(path: Path) -> bool:
    try:
        with path.open("r+b") as file:
            return not lock(file, exclusive=True)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_same(file: BinaryIO, path: Path) -> bool:
    """Whether `path` still names the open `file` (it does not once the entry was evicted and written anew)."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
