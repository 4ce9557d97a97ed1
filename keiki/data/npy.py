"""NumPy's own files, read with care: nothing is unpickled, and no size is believed before it is checked."""

from __future__ import annotations

import io
import lzma
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError

MOST_BYTES = 4 * 2**30  # of one array
INFLATED = 100  # times the size of the archive; more is a bomb rather than data (one-hot rows reach about 50)
MOST_ARRAYS = 1000  # in one archive
FREE_BYTES = 512 * 2**20  # up to here an archive may be inflated whatever its own size

_DAMAGE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    SyntaxError,
    tokenize.TokenError,
    OverflowError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True)
class Shape:
    """What the head of an array says of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int  # where its numbers begin, in bytes

    @property
    def size(self) -> int:
        """Bytes of the whole array, head included."""
        count = 1
        for side in self.shape:
            count *= side
        return self.start + count * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'single'} {self.dtype}"


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The array in an .npy file; raises DataError."""
    with _damage(path), path.open("rb") as file:
        head = _head(file, path, path.stat().st_size)
        file.seek(0)
        return _array(file, head)


class Archive(Mapping[str, Shape]):
    """The arrays of an .npz file by name: their shapes at once, their numbers when asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _damage(path), zipfile.ZipFile(path) as archive:
            self._members = {each.filename: each for each in archive.infolist() if each.filename.endswith(".npy")}
            if not self._members:
                raise DataError(f"'{path.name}' holds no arrays.", hint="Write it with numpy.savez(FILE, X=X, y=y).")
            if len(self._members) > MOST_ARRAYS:
                raise DataError(f"'{path.name}' holds {len(self._members):,} arrays, more than {MOST_ARRAYS:,}.")
            self._shapes = {name.removesuffix(".npy"): self._shape(archive, name) for name in self._members}

    def __getitem__(self, name: str) -> Shape:
        return self._shapes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array `name`; raises DataError."""
        head = self._shapes[name]
        allowed = max(FREE_BYTES, INFLATED * self.path.stat().st_size)
        if head.size > allowed:
            raise DataError(
                f"'{name}' in '{self.path.name}' would take {head.size / 2**20:,.0f} MiB, {INFLATED} times the file.",
                hint="If that is meant, write it without compression: numpy.savez.",
            )
        with _damage(self.path), zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
            return _array(file, head)

    def _shape(self, archive: zipfile.ZipFile, name: str) -> Shape:
        with archive.open(name) as file:
            return _head(file, self.path, self._members[name].file_size)


def _head(file: IO[bytes], path: Path, available: int) -> Shape:
    """The head of an array, which must fit into the bytes that there are."""
    text = io.BytesIO(file.read(2**16))  # longer heads are those of records with thousands of names
    version = np.lib.format.read_magic(text)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"'{path.name}' holds records, not a plain array.", hint="Give a plain matrix of numbers.")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of heads that Python 2 wrote
        shape, _, dtype = read(text)
    head = Shape(shape, dtype, text.tell())
    if dtype.hasobject:
        return head  # `_array` refuses it, should it be asked for
    if any(side < 0 for side in shape) or head.size > min(available, MOST_BYTES):
        raise DataError(
            f"'{path.name}' says that it holds {head.size:,} bytes of numbers, but has {available:,}.",
            hint="It was not written to its end, or is larger than the 4 GiB that are read.",
        )
    return head


def _array(file: IO[bytes], head: Shape) -> npt.NDArray[Any]:
    if head.dtype.hasobject:
        raise DataError(
            "It holds Python objects, which are not read because they may run code.",
            hint="Write numbers as numbers and labels as texts: numpy.savez(FILE, X=X.astype(float), y=y.astype(str)).",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What goes wrong while reading as a DataError about the file."""
    try:
        yield
    except DataError as error:
        what = error.what if path.name in error.what else f"'{path.name}' cannot be used. {error.what}"
        raise DataError(what, hint=error.hint) from error
    except _DAMAGE as problem:
        said = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        reason = " ".join(said.split())[:160]
        raise DataError(
            f"'{path.name}' cannot be read as NumPy's arrays: {reason}.",
            hint="Write it again: numpy.savez(FILE, X=X, y=y).",
        ) from problem
