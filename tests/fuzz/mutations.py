"""Random mutations of sound files: whatever comes out, reading it may refuse or skip, but never fall over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import sound

Rng = np.random.Generator
MOST = 6  # mutations of one file


def mutated(data: bytes, rng: Rng) -> bytes:
    """`data` after one to six random changes."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, MOST + 1))):
        CHANGES[int(rng.integers(len(CHANGES)))](out, rng)
    return bytes(out)


def _place(data: bytearray, rng: Rng) -> int:
    return int(rng.integers(len(data))) if data else 0


def _flip(data: bytearray, rng: Rng) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _replace(data: bytearray, rng: Rng) -> None:
    at = _place(data, rng)
    data[at : at + 4] = rng.bytes(min(4, len(data) - at))


def _extreme(data: bytearray, rng: Rng) -> None:
    at = _place(data, rng)
    data[at : at + 4] = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")[int(rng.integers(3))]


def _remove(data: bytearray, rng: Rng) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 40))]


def _insert(data: bytearray, rng: Rng) -> None:
    at = _place(data, rng)
    data[at:at] = rng.bytes(int(rng.integers(1, 40)))


def _double(data: bytearray, rng: Rng) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + int(rng.integers(1, 200))]


def _cut(data: bytearray, rng: Rng) -> None:
    if rng.random() < 0.3:
        del data[_place(data, rng) :]


def _special(data: bytearray, rng: Rng) -> None:
    """What text formats trip over."""
    pieces = (
        b'"',
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"\xef\xbb\xbf",
        b"{",
        b"[" * 50,
        b"NaN",
        b"1e999",
        b"\xed\xa0\x80",
        b"<!--",
    )
    at = _place(data, rng)
    data[at:at] = pieces[int(rng.integers(len(pieces)))]


CHANGES = (_flip, _replace, _extreme, _remove, _insert, _double, _cut, _special)


def cases(folder: Path, rng: Rng, n: int) -> Iterator[Path]:
    """`n` times the path of a mutated file, or of a folder that holds one; each overwrites the last of its format."""
    originals = {name: make(rng) for name, make in sound.TABLES.items()}
    for form in sound.PICTURES:
        sound.laid_out(folder / form, sound.photos(rng, form))
    names = [*sound.TABLES, *sound.PICTURES]
    for i in range(n):
        name = names[i % len(names)]
        if name in originals:
            path = folder / f"table.{name}"
            path.write_bytes(mutated(originals[name], rng))
            yield path
        else:
            picture = sound.picture(rng, name)
            (folder / name / "ash" / "mutant.png").write_bytes(mutated(picture, rng))
            yield folder / name
