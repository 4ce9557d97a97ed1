"""OpenMoji as pictures: the same things drawn in colour and in black lines, in draws that share no thing.

    python bench/openmoji.py --each 10 --draw 0        where the folder of one draw is

A class is a subgroup of the Unicode list, kept where it holds at least `LEAST` things. A thing is a base code point:
what is left of a sequence without skin tone, gender, person and picture style, so that a cook, a man cook and a woman
cook are one thing, of which the first drawing is taken. Things whose drawings are equal in a style (flags in black
lines are) count once. Splits are made by things, the same in both styles. OpenMoji's own additions beyond Unicode are
left out: several repeat things that are there already.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import packages
from keiki.core.files import read_json, writing_folder

Style = Literal["color", "black"]
Classes = Mapping[str, Sequence[str]]  # class -> hexcodes, one a thing
SIZE = 256  # pixels a side, on white
MOST = 20  # things of a class that a draw trains on
LEAST = 23  # things of a class: at least three judge where twenty are learned from
JUDGED = 15  # things of a class that judge, at most

PERSONS = frozenset({"1F468", "1F469", "1F9D1"})
# Joiner, picture style, female, male, five skin tones: how a thing is drawn, not what it is.
MODIFIERS = frozenset({"200D", "FE0F", "2640", "2642", "1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"})


def base(hexcode: str) -> str:
    """The base code point of a sequence; a flag is spelled by two.

    >>> base("1F469-1F3FB-200D-1F373"), base("1F373"), base("1F1E9-1F1EA"), base("1F43B-200D-2744-FE0F"), base("1F468")
    ('1F373', '1F373', '1F1E9-1F1EA', '1F43B', 'person')
    """
    parts = [part for part in hexcode.split("-") if part not in MODIFIERS | PERSONS]
    if not parts:
        return "person"
    letters = [part for part in parts if 0x1F1E6 <= int(part, 16) <= 0x1F1FF]
    return "-".join(letters) or parts[0]


def things(entries: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Subgroup -> hexcodes of its things, each the first of its base code point in the order of `entries`."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        if not entry["skintone"] and not entry["group"].startswith("extras-"):
            found.setdefault(entry["subgroups"], {}).setdefault(base(entry["hexcode"]), entry["hexcode"])
    return {name: list(own.values()) for name, own in sorted(found.items())}


def deal(found: Classes, draw: int, each: int) -> dict[str, tuple[list[str], list[str]]]:
    """Class -> (things to learn from, things that judge): of one draw, all sizes share what judges, and the smaller
    training sets are part of the larger ones."""
    if each > MOST:
        raise ValueError(f"a draw holds at most {MOST} things of a class, not {each}")
    rng = np.random.default_rng([2026, draw])
    sides = {}
    for name in sorted(found):
        order = [found[name][i] for i in rng.permutation(len(found[name]))]
        sides[name] = (order[:each], order[MOST : MOST + JUDGED])
    return sides


def folder(draw: int, each: int, learned: Style = "color", judged: Style = "color") -> Path:
    """A folder `train/CLASS/HEX.png`, `test/CLASS/HEX.png` of links into the pool: learned from in one style, judged
    in one."""
    home = packages.CACHE / "data" / f"openmoji-{SIZE}-{each}-{learned}-{judged}-{draw}"
    if home.is_dir():
        return home
    pictures = pool()
    found = {path.name: sorted(file.stem for file in path.iterdir()) for path in (pictures / "color").iterdir()}
    with writing_folder(home) as out:
        for name, sides in deal(found, draw, each).items():
            for side, style, codes in zip(("train", "test"), (learned, judged), sides, strict=True):
                (out / side / name).mkdir(parents=True)
                for code in codes:
                    os.link(pictures / style / name / f"{code}.png", out / side / name / f"{code}.png")
    return home


def pool() -> Path:
    """All pictures, `STYLE/CLASS/HEX.png`, drawn once."""
    home = packages.CACHE / "data" / f"openmoji-{SIZE}"
    if home.is_dir():
        return home
    source = packages.npm(packages.OPENMOJI)
    with writing_folder(home) as out:
        for name, codes in things(read_json(source / "data" / "openmoji.json")).items():
            if len(codes) >= LEAST:
                _draw_class(source, codes, out, name)
    return home


def _draw_class(source: Path, codes: Sequence[str], out: Path, name: str) -> None:
    """The pictures of one class, if enough of its things look different."""
    pictures = {code: {style: drawn(source / style / "svg" / f"{code}.svg") for style in STYLES} for code in codes}
    kept = distinct({code: own for code, own in pictures.items() if not any(map(_is_empty, own.values()))})
    if len(kept) < LEAST:
        return
    for style in STYLES:
        (out / style / name).mkdir(parents=True)
        for code in kept:
            (out / style / name / f"{code}.png").write_bytes(pictures[code][style])


def distinct(pictures: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    """Codes whose pictures differ from all before them in every style.

    >>> distinct({"a": {"black": b"1"}, "b": {"black": b"1"}, "c": {"black": b"2"}})
    ['a', 'c']
    """
    seen: set[tuple[str, str]] = set()
    kept = []
    for code, styles in pictures.items():
        own = {(style, hashlib.sha256(data).hexdigest()) for style, data in styles.items()}
        if not own & seen:
            kept.append(code)
        seen |= own
    return kept


def _is_empty(picture: bytes) -> bool:
    """A few drawings have no line in one of the styles."""
    with Image.open(io.BytesIO(picture)) as opened:
        return all(low == high for low, high in opened.getextrema())


def drawn(svg: Path) -> bytes:
    """The drawing as the bytes of a PNG on white; fonts of the machine take no part."""
    sys.path.insert(0, str(packages.wheel(packages.RESVG)))
    try:
        from resvg_py import svg_to_bytes
    finally:
        sys.path.pop(0)
    found = svg_to_bytes(svg_path=str(svg), width=SIZE, height=SIZE, background="white", skip_system_fonts=True)
    with Image.open(io.BytesIO(found)) as opened, io.BytesIO() as out:
        opened.convert("RGB").save(out, "PNG")
        return out.getvalue()


STYLES: tuple[Style, ...] = get_args(Style)


def main() -> None:
    parser = argparse.ArgumentParser(description="Where one draw of OpenMoji lies, and what is in it.")
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--each", type=int, default=10, help=f"things of a class to learn from, at most {MOST}")
    parser.add_argument("--learned", choices=STYLES, default="color")
    parser.add_argument("--judged", choices=STYLES, default="color")
    options = parser.parse_args()
    home = folder(options.draw, options.each, options.learned, options.judged)
    counts = {side: len(list((home / side).rglob("*.png"))) for side in ("train", "test")}
    print(f"{home}: {len(list((home / 'train').iterdir()))} classes, {counts['train']} to learn from, {counts['test']}")


if __name__ == "__main__":
    main()
