"""Files that are whole or absent, and their digests.

Every file appears by: write under a temporary name in the same folder, fsync, rename, fsync the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TEMPORARY = ".part-"  # prefix of files that are not finished; whoever finds an old one may delete it


def write_bytes(path: Path, data: bytes) -> Path:
    """Write `data` so that a reader sees the old file or the new one, never a part."""
    with writing(path) as temporary:
        temporary.write_bytes(data)
    return path


def write_text(path: Path, text: str) -> Path:
    """`write_bytes` of `text` in UTF-8."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, data: Any) -> Path:
    """Write `data` as readable JSON; NaN and infinity are refused because other languages cannot read them."""
    return write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_tensors(path: Path, arrays: Mapping[str, Any]) -> Path:
    """Write named arrays as a safetensors file; what the system refuses is an OSError, as everywhere."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with writing(path) as temporary:
        try:
            save_file(dict(arrays), temporary)
        except SafetensorError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    return path


def read_json(path: Path) -> Any:
    """The JSON in `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; on leaving without an error it becomes `path`, fsynced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _named(path, temporary):
            yield temporary
        os.chmod(temporary, 0o644)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`; on leaving without an error it replaces `path` as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path):
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=path.parent))
    try:
        with _named(path, temporary):
            yield temporary
        os.chmod(temporary, 0o755)
        for file in temporary.rglob("*"):
            _sync(file)
        _swap(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let what the system refuses name `path`, which the user knows, and not a temporary file beside it.

    temporary: what stands for it at present; what the system says of other files stays as it is.
    """
    try:
        yield
    except OSError as error:
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        if temporary is not None and named is not None and not named.is_relative_to(temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256.

    >>> sha256_bytes(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(data: Any) -> str:
    """Hexadecimal SHA-256 of `data` as canonical JSON: the same for equal data, whatever the order of keys.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return sha256_bytes(json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(new: Path, path: Path) -> None:
    if not path.exists():
        os.rename(new, path)
        return
    old = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=path.parent))
    os.rename(path, old / "old")
    os.rename(new, path)
    shutil.rmtree(old)
