"""Zip files that may be opened: not damaged, not encrypted, and no bombs. Also what spreadsheets are packed in."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from keiki.core.errors import DataError
from keiki.data.names import listing

MOST_MEMBERS = 500_000
MOST_BYTES = 64 * 2**30  # unpacked
MOST_RATIO = 200  # deflate reaches 1,000 on zeros; real tables stay below 30
FREE_BYTES = 32 * 2**20  # below which the ratio does not matter
_INDEX_BYTES = 128 * 2**20  # of the list of members; half a million of them with names of 200 letters
_ENCRYPTED = 0x1
_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"

# What zipfile raises on damaged bytes; struct, value and key errors come from fields that contradict each other.
DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    struct.error,
)


@contextlib.contextmanager
def opened(path: Path, noun: str) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`, which people call a `noun` ('zip'); raises DataError where it must not be unpacked."""
    try:
        _refuse_endless_index(path, noun)
        archive = zipfile.ZipFile(path)
    except DAMAGE as problem:
        raise damaged(path, noun, problem) from problem
    with archive:
        members = archive.infolist()
        _refuse_encrypted(path, noun, members)
        _refuse_bomb(path, noun, members)
        yield archive


def damaged(path: Path, noun: str, problem: Exception) -> DataError:
    """The error for an archive that breaks off or contradicts itself."""
    if isinstance(problem, OSError) and problem.strerror:
        return DataError(f"The {noun} '{path}' cannot be read: {problem.strerror}.")
    return DataError(
        f"The {noun} '{path}' is damaged or no {noun} at all.", hint="Copy or download it again, or make it anew."
    )


def _refuse_endless_index(path: Path, noun: str) -> None:
    """Python reads the whole list of members at once, so its length is looked at first."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 2**17))
        tail = file.read()
    place, place64 = tail.rfind(_END), tail.rfind(_END64)
    size = struct.unpack_from("<I", tail, place + 12)[0] if 0 <= place <= len(tail) - 22 else 0
    if size == 0xFFFFFFFF and 0 <= place64 <= len(tail) - 56:
        size = struct.unpack_from("<Q", tail, place64 + 40)[0]
    if min(size, end) > _INDEX_BYTES:
        raise DataError(f"The {noun} '{path}' has too many members.", hint=_smaller())


def _refuse_encrypted(path: Path, noun: str, members: list[zipfile.ZipInfo]) -> None:
    locked = [each.filename for each in members if each.flag_bits & _ENCRYPTED]
    if locked:
        raise DataError(
            f"The {noun} '{path}' is encrypted: {listing(locked, 3)}.",
            hint="Unpack it with its password and give the folder.",
        )


def _refuse_bomb(path: Path, noun: str, members: list[zipfile.ZipInfo]) -> None:
    """zipfile never yields more bytes of a member than it declares, so the declared sizes bound what can come out."""
    if len(members) > MOST_MEMBERS:
        raise DataError(
            f"The {noun} '{path}' has {len(members):,} members; the limit is {MOST_MEMBERS:,}.", hint=_smaller()
        )
    total, packed = sum(each.file_size for each in members), max(1, path.stat().st_size)
    if total > MOST_BYTES:
        raise DataError(
            f"The {noun} '{path}' would grow to {total / 2**30:,.0f} GiB; the limit is {MOST_BYTES >> 30} GiB.",
            hint=_smaller(),
        )
    if total > FREE_BYTES and total > MOST_RATIO * packed:
        raise DataError(
            f"The {noun} '{path}' would grow to {total // packed:,} times its size ({total / 2**20:,.0f} MiB), "
            "as only archives do that are made to fill disks.",
            hint="If you trust it, unpack it yourself and give the folder.",
        )


def _smaller() -> str:
    return "Unpack what you need of it and give the folder."


def copied(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, most: int) -> int:
    """Unpack one member into `target`, which must not be there, and count its bytes; stops above `most`."""
    written = 0
    with archive.open(member) as packed, target.open("xb") as file:
        while piece := packed.read(io.DEFAULT_BUFFER_SIZE * 16):
            written += len(piece)
            if written > most:
                raise zipfile.BadZipFile("a member is longer than it says")
            file.write(piece)
    return written
