"""A `.zip` of a folder or of a table, unpacked once into the cache and read like what lies in it.

Names that would leave the folder, links, devices, encryption and bombs are refused; archives inside the archive are
listed and stay closed. Names are taken in Unicode's composed form (NFC) with forward slashes, so that a zip gives the
same items on every system.
"""

from __future__ import annotations

import contextlib
import errno
import re
import stat
import unicodedata
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from keiki.core.errors import DataError
from keiki.core.files import sha256_file
from keiki.data.names import one_line, printable
from keiki.data.picture import MAX_BYTES
from keiki.data.sources.archive import DAMAGE, copied, opened
from keiki.data.sources.base import SOURCES, Request, Source, exists, read, reworded
from keiki.data.sources.inside import meant
from keiki.data.sources.layout import is_system
from keiki.data.sources.unpacked import unpacked
from keiki.data.task import Dataset, Skipped

_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})
_UTF8 = 0x800  # flag of a member whose name is UTF-8
_UNIX = 3  # create_system of archives that carry file types
_DEEPEST = 64  # folders in one another
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@SOURCES.add("zip")
class ZipSource(Source):
    """Unpacked into the cache and read like the folder or table in it; `data.zip#train.csv` names one of several."""

    name: ClassVar[str] = "zip"
    example: ClassVar[str] = "a .zip of such a folder or of a table"
    has_parts: ClassVar[bool] = True

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() == ".zip"

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        folder, remarks = _opened(path)
        skipped = tuple(Skipped(**each) for each in remarks)
        try:
            place = meant(folder, request, skipped)
            found = read(place, replace(request, inner=None))
        except DataError as error:
            raise reworded(error, lambda text: text.replace(str(folder), str(path))) from error
        return _renamed(found, path, folder, place, skipped)


@dataclass(frozen=True)
class _Member:
    """One file of the archive and the name under which it is unpacked."""

    info: zipfile.ZipInfo
    name: str


def _opened(path: Path) -> tuple[Path, list[dict[str, Any]]]:
    with opened(path, "zip") as archive:
        members, skipped = _chosen(path, archive.infolist())

        def fill(folder: Path) -> list[dict[str, Any]]:
            return [asdict(each) for each in (*skipped, *_unpack(path, archive, members, folder))]

        return unpacked(sha256_file(path), sum(each.info.file_size for each in members), fill)


def _chosen(path: Path, infos: list[zipfile.ZipInfo]) -> tuple[list[_Member], list[Skipped]]:
    """The members to unpack, and those that are left out; raises DataError for what makes the archive suspicious."""
    members: dict[str, _Member] = {}
    skipped: dict[str, Skipped] = {}
    for info in infos:
        name = _name(info)
        _refuse_escape(path, name)
        _refuse_special(path, info, name)
        if not name or name.endswith("/"):
            continue
        name = PurePosixPath(name).as_posix()
        if system := _system_part(name):
            skipped[system] = Skipped(system, "hidden or system file", foreign=True)
        elif reason := _why_not(info, name):
            skipped[name] = Skipped(name, reason)
        else:
            _refuse_twin(path, name, members)
            members[_same(name)] = _Member(info, name)
    return list(members.values()), list(skipped.values())


def _system_part(name: str) -> str:
    """The system file or folder that a name stands for or in, '' for none: '__MACOSX/cat/._1.jpg' gives '__MACOSX'."""
    parts = name.split("/")
    return next(("/".join(parts[: i + 1]) for i, part in enumerate(parts) if is_system(part)), "")


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: many archives hold UTF-8 without saying so, and those of Windows back slashes."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):  # an old name in the code page of DOS, which is how zipfile reads it
            name = name.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", one_line(name)).replace("\\", "/")


def _refuse_escape(path: Path, name: str) -> None:
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        raise DataError(
            f"The zip '{path}' holds '{name}', which would lie outside of the folder it is unpacked into.",
            hint="Do not trust it; if you made it, zip the folder anew with names relative to it.",
        )


def _refuse_special(path: Path, info: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device"
        raise DataError(
            f"The zip '{path}' holds {what}, '{name}'; only files and folders are unpacked.",
            hint="Zip the files themselves.",
        )


def _why_not(info: zipfile.ZipInfo, name: str) -> str:
    if PurePosixPath(name).suffix.lower() in _ARCHIVES:
        return "an archive inside the archive; unpack it and give the folder"
    if info.file_size > MAX_BYTES:
        return f"file too large ({info.file_size / 2**20:,.0f} MiB)"
    return "nested too deeply" if name.count("/") > _DEEPEST else ""


def _same(name: str) -> str:
    return "/".join(part.rstrip(" .") for part in name.casefold().split("/"))


def _refuse_twin(path: Path, name: str, members: dict[str, _Member]) -> None:
    twin = members.get(_same(name))
    if twin is not None:
        how = "twice" if twin.name == name else f"and '{twin.name}', which are one file on many systems"
        raise DataError(f"The zip '{path}' holds '{name}' {how}.", hint="Rename one of them and zip again.")


def _unpack(path: Path, archive: zipfile.ZipFile, members: list[_Member], folder: Path) -> list[Skipped]:
    """Writes the members below `folder` and lists the damaged ones; raises DataError where all are."""
    reasons = [(each, _unpack_one(archive, each, folder)) for each in members]
    bad = [Skipped(each.name, reason) for each, reason in reasons if reason]
    if bad and len(bad) == len(members):
        told = "; ".join(f"{each.id}: {each.reason}" for each in bad[:3])
        raise DataError(f"Nothing in the zip '{path}' can be unpacked: {told}.", hint="Copy or download it again.")
    return bad


def _unpack_one(archive: zipfile.ZipFile, member: _Member, folder: Path) -> str:
    """Writes one member; '' or why that was not possible. Raises OSError where the disk is to blame."""
    target = folder / member.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        copied(archive, member.info, target, member.info.file_size)
    except DAMAGE as problem:
        if isinstance(problem, OSError) and problem.errno in _DISK:
            raise
        with contextlib.suppress(OSError):  # it may never have come into being
            target.unlink()
        return _reason(problem)
    return ""


def _reason(problem: Exception) -> str:
    if isinstance(problem, NotImplementedError):
        return "packed by a method that is not read; zip it anew"
    if isinstance(problem, OSError) and problem.strerror:
        return f"cannot be unpacked ({problem.strerror})"
    return "damaged inside the zip"


def _renamed(found: Dataset, path: Path, folder: Path, place: Path, skipped: tuple[Skipped, ...]) -> Dataset:
    """The data with the names that a person sees who looks into the zip."""
    inside = place.relative_to(folder).as_posix()

    def named(name: str) -> str:
        return f"{inside}/{name}" if inside != "." and exists(place / name) else name

    said = f"'{inside}' in '{path.name}' was read." if inside != "." else f"'{path.name}' was unpacked and read."
    own = (replace(each, id=named(each.id)) for each in found.skipped)
    return replace(
        found,
        name=printable(path.stem) or "data",
        items=replace(found.items, ids=tuple(map(named, found.items.ids))),
        notes=(said, *(note.replace(f"folder '{folder.name}'", f"zip '{path.name}'") for note in found.notes)),
        skipped=(*skipped, *own),
    )
