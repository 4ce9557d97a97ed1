"""What the figures are measured on: draws of 16 classes of emoji, Fashion-MNIST, fortunes. All real, all cached.

Pictures are written as given folders, `train/CLASS/NAME.png` and `test/CLASS/NAME.png`, so that every competitor sees
the same files in the same split, with transparency already laid on white.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench import packages
from keiki.core.files import writing_folder
from tools import make_sample
from tools.make_sample import Item

# Class -> the subcategories of the source that it is made of; each holds at least 29 pictures.
CLASSES: dict[str, tuple[str, ...]] = {
    "birds-reptiles": ("animal-bird", "animal-reptile", "animal-amphibian"),
    "buildings": ("place-building", "place-religious"),
    "clothing": ("clothing",),
    "dishes": ("food-prepared", "food-asian"),
    "fruit-vegetables": ("food-fruit", "food-vegetable"),
    "games": ("sport", "game"),
    "household": ("household", "dishware"),
    "mammals": ("animal-mammal",),
    "plants": ("plant-flower", "plant-other"),
    "professions": ("person-role",),
    "sea-insects": ("animal-marine", "animal-bug"),
    "sky": ("sky & weather",),
    "sports": ("person-sport",),
    "sweets-drinks": ("food-sweet", "drink"),
    "tools": ("tool", "science", "medical"),
    "vehicles": ("transport-ground",),
}
TRAIN, TEST = 300, 118  # pictures of a draw
FASHION_CLASSES = ["tshirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
FASHION_TEST = 2_000

Pixels = npt.NDArray[np.uint8]


def emoji_draw(draw: int, train: int = TRAIN, test: int = TEST) -> Path:
    """A folder with `train` and `test` pictures of 16 classes, drawn by whole groups: no thing stands on both sides."""
    home = packages.CACHE / "data" / f"emoji-{train}-{test}-{draw}"
    if home.is_dir():
        return home
    images = packages.npm(packages.EMOJI) / "img" / "twitter" / "64"
    rng = np.random.default_rng([2026, draw])
    classes = _emoji_classes()
    with writing_folder(home) as folder:
        for (label, groups), n_train, n_test in zip(
            classes.items(), shares(train, len(classes)), shares(test, len(classes)), strict=True
        ):
            order = [groups[i] for i in rng.permutation(len(groups))]
            sides = deal(order, n_test, n_train)
            for side, names in zip(("test", "train"), sides, strict=True):
                for name in names:
                    _save_on_white(images / name, folder / side / label / name)
    return home


def shares(total: int, n: int) -> list[int]:
    """`total` in `n` whole parts that differ by at most one, the larger first.

    >>> shares(300, 16)[:3], shares(300, 16)[-1], sum(shares(300, 16))
    ([19, 19, 19], 18, 300)
    """
    return [total // n + (i < total % n) for i in range(n)]


def deal(groups: Sequence[Sequence[str]], *sizes: int) -> list[list[str]]:
    """Fill hands of these sizes from whole groups in order; what is left of a group when its hand is full is not used.

    >>> deal([["a"], ["b", "b2", "b3"], ["c"], ["d", "d2"]], 2, 2)
    [['a', 'b'], ['c', 'd']]
    """
    rest = iter(groups)
    hands = []
    for size in sizes:
        hand: list[str] = []
        while len(hand) < size:
            hand += next(rest)
        hands.append(hand[:size])
    return hands


def _emoji_classes() -> dict[str, list[list[str]]]:
    """Class -> groups of picture files; a group is one thing drawn several times."""
    path = packages.npm(packages.EMOJI) / "emoji.json"
    entries = sorted(json.loads(path.read_text(encoding="utf-8")), key=lambda entry: entry["unified"])
    class_of = {subcategory: label for label, parts in CLASSES.items() for subcategory in parts}
    items = [
        _with_moons(make_sample._item(class_of[entry["subcategory"]], entry))
        for entry in entries
        if entry["subcategory"] in class_of and entry["has_img_twitter"]
    ]
    found: dict[str, dict[str, list[str]]] = {label: {} for label in CLASSES}
    for item, group in zip(items, make_sample._groups(items), strict=True):
        found[item.label].setdefault(group, []).append(item.image)
    return {label: list(groups.values()) for label, groups in found.items()}


def _with_moons(item: Item) -> Item:
    """The phases of the moon are one thing."""
    return replace(item, keys=item.keys | {"sky moon"}) if item.label == "sky" and "moon" in item.name else item


def _save_on_white(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as opened:
        picture = opened.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    Image.alpha_composite(white, picture).convert("RGB").save(to)


def fashion(train: int, test: int = FASHION_TEST) -> Path:
    """The first `train` and `test` pictures of Fashion-MNIST as 28 x 28 PNG in given folders."""
    home = packages.CACHE / "data" / f"fashion-{train}-{test}"
    if home.is_dir():
        return home
    with writing_folder(home) as folder:
        for side, source, n in (("train", "train", train), ("test", "t10k", test)):
            for i, (pixels, label) in enumerate(_fashion_pictures(source, n)):
                to = folder / side / FASHION_CLASSES[label] / f"{i:05d}.png"
                to.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(to)
    return home


def _fashion_pictures(source: str, n: int) -> Iterator[tuple[Pixels, int]]:
    root = packages.apt(packages.FASHION)
    images = _idx(next(root.rglob(f"{source}-images-idx3-ubyte.gz")), header=16).reshape(-1, 28, 28)
    labels = _idx(next(root.rglob(f"{source}-labels-idx1-ubyte.gz")), header=8)
    return zip(images[:n], labels[:n].tolist(), strict=True)


def _idx(path: Path, header: int) -> Pixels:
    """The bytes of an IDX file behind its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8, offset=header)


def fortunes(n: int) -> list[str]:
    """`n` epigrams of many lengths, drawn without order from all of them."""
    folder = next(packages.apt(packages.FORTUNES).rglob("games/fortunes"))
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.suffix)
    texts = [
        text.strip() for path in files for text in path.read_text(encoding="utf-8", errors="replace").split("\n%\n")
    ]
    texts = sorted({text for text in texts if text})
    chosen = np.random.default_rng(2026).choice(len(texts), n, replace=False)
    return [texts[i] for i in chosen]
