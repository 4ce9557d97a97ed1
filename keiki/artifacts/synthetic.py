"""Made-up inputs to compare an export on, where the user gives none: always the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keiki.data.task import Raw

_SIZES = ((64, 64), (48, 96), (300, 200), (224, 224), (33, 57), (640, 480), (17, 400))
_WORDS = "the screen of my phone is broken and where can it be repaired before friday please naïve 日本 42 €"


def make(modality: str, folder: Path, width: int = 0) -> list[Raw]:
    """Seven pictures of several shapes, written to `folder`, seven texts of several lengths, or vectors (width,)."""
    if modality == "vector":
        return list(np.random.default_rng(0).normal(size=(len(_SIZES), width)).astype(np.float32))
    return list(_pictures(folder)) if modality == "image" else list(_texts())


def _pictures(folder: Path) -> list[Path]:
    from PIL import Image

    random = np.random.default_rng(0)
    paths = []
    for i, (width, height) in enumerate(_SIZES):
        coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)  # blurred noise: more like a picture than noise is
        path = folder / f"{i}.png"
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


def _texts() -> list[str]:
    words = _WORDS.split()
    return [" ".join(words[start : start + length]) for start, length in enumerate((1, 3, 19, 2, 8, 5, 12))]
