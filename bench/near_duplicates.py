"""Near copies planted among real pictures: how many are found, and how many of those found were planted.

    python -m bench.near_duplicates            writes bench/results/near_duplicates.json

200 pictures of each set get one copy each: recompressed (JPEG quality 30 to 80), resized (half to double), cropped by
5 % on every side, brightened or dimmed by up to 30 %; once also all of it a little. What counts is pairs on one side of
the split: a pair of originals kept together counts as wrong, even where the originals themselves are near copies.
"""

from __future__ import annotations

import io
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bench import data
from bench.cells import commit
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.files import write_json
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.engines.plan import make_plan
from keiki.evaluation.intervals import wilson
from keiki.pipeline.prepare import choose_backbone, look, read_all
from keiki.pipeline.request import FitRequest

RESULTS = Path(__file__).resolve().parent / "results" / "near_duplicates.json"
PLANTED = 200
SEEDS = (0, 1, 2)

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def recompressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=int(rng.integers(30, 81)))
    return Image.open(out).convert("RGB")


def resized(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    scale = float(np.exp(rng.uniform(np.log(0.5), np.log(2))))
    side = (max(8, round(scale * image.width)), max(8, round(scale * image.height)))
    return image.resize(side, Image.Resampling.BICUBIC)


def cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    x, y = max(1, round(0.05 * width)), max(1, round(0.05 * height))
    return image.crop((x, y, width - x, height - y))


def brightened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    factor = float(rng.choice([rng.uniform(0.7, 0.9), rng.uniform(1.1, 1.3)]))
    return image.point(lambda value: min(255, round(factor * value)))


def everything(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """All at once, each by half."""
    width, height = image.size
    x, y = rng.uniform(0, 0.05, 2)
    image = image.crop((round(x * width), round(y * height), width, height))
    factor = float(rng.uniform(0.85, 1.15))
    return recompressed(resized(image.point(lambda value: min(255, round(factor * value))), rng), rng)


CHANGES: dict[str, Change] = {
    "recompressed": recompressed,
    "resized": resized,
    "cropped": cropped,
    "brightened": brightened,
}
ALL_AT_ONCE: dict[str, Change] = {"all at once": everything}


def sets(name: str) -> list[Path]:
    """The pictures of a set."""
    folders = {
        "emoji sample": lambda: Path(data.__file__).parents[1] / "keiki" / "sample" / "pictures",
        "emoji": lambda: data.emoji_draw(0),
        "fashion": lambda: data.fashion(3000) / "train",
    }
    return sorted(folders[name]().rglob("*.png"))[:3000]


def plant(
    pictures: list[Path], folder: Path, rng: np.random.Generator, changes: dict[str, Change]
) -> dict[frozenset[str], str]:
    """Copy `pictures` into `folder` with PLANTED near copies; returns the names of each pair, and how it was made."""
    kinds = list(changes)
    chosen = rng.choice(len(pictures), min(PLANTED, len(pictures)), replace=False)
    (folder / "own").mkdir(parents=True)
    (folder / "copies").mkdir()
    for number, path in enumerate(pictures):
        _on_white(path).save(folder / "own" / f"{number}.png")
    pairs = {}
    for place, number in enumerate(chosen.tolist()):
        kind = kinds[place % len(kinds)]
        copy = changes[kind](_on_white(pictures[number]), rng)
        copy.save(folder / "copies" / f"{number}.jpg", quality=90)
        pairs[frozenset((f"own/{number}.png", f"copies/{number}.jpg"))] = kind
    return pairs


def measure(name: str, seed: int, changes: dict[str, Change]) -> dict[str, object]:
    """Recall and precision of one planting."""
    rng = np.random.default_rng([2026, seed])
    with tempfile.TemporaryDirectory() as place:
        planted = plant(sets(name), Path(place) / "data", rng, changes)
        request = FitRequest(data=str(Path(place) / "data"))
        pieces, random = read_all(request), Randomness(seed)
        backbone = choose_backbone(request, "image")
        bank = FeatureBank(open_cache(), make_plan(), Record())
        seen = look(pieces, bank, backbone, [], random, Record())
    items = seen.pieces.data.items
    names: dict[object, list[str]] = {}
    for id, content in zip(items.ids, items.digests, strict=True):
        names.setdefault(seen.alike.keys.get(content, content), []).append(id)
    found = {frozenset(pair) for each in names.values() for pair in itertools.combinations(each, 2)}
    right = found & set(planted)
    by_kind = {
        kind: round(sum(planted[p] == kind for p in right) / sum(k == kind for k in planted.values()), 3)
        for kind in changes
    }
    return {
        "set": name,
        "seed": seed,
        "pictures": len(items),
        "planted": len(planted),
        "found": len(found),
        "right": len(right),
        "recall": round(len(right) / len(planted), 4),
        "precision": round(len(right) / max(1, len(found)), 4),
        "recall_by_kind": by_kind,
        "wrong": sorted(sorted(pair) for pair in found - set(planted))[:20],
        "missed": sorted((planted[pair], *sorted(pair)) for pair in set(planted) - found)[:20],
    }


def _on_white(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        picture = opened.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def main() -> None:
    names = sys.argv[1:] or ["emoji sample", "emoji", "fashion"]
    asked = [(name, seed, CHANGES) for name in names for seed in SEEDS] + [(name, 0, ALL_AT_ONCE) for name in names]
    rows = []
    for name, seed, changes in asked:
        rows.append(measure(name, seed, changes))
        print({key: value for key, value in rows[-1].items() if key not in ("wrong", "missed")}, flush=True)
    totals = {}
    for name in names:
        own = [
            row for row, (other, _, changes) in zip(rows, asked, strict=True) if other == name and changes is CHANGES
        ]
        planted, found, right = (sum(int(str(row[key])) for row in own) for key in ("planted", "found", "right"))
        totals[name] = {"recall": wilson(right, planted).to_json(), "precision": wilson(right, max(1, found)).to_json()}
    write_json(
        RESULTS, {"commit": commit(), "target": {"recall": 0.95, "precision": 0.95}, "sets": totals, "rows": rows}
    )


if __name__ == "__main__":
    main()
