"""Fingerprints of like pictures are near, of unlike ones far, and the transform is the cosine transform."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn

import keiki
from keiki.data.fingerprint import as_bits, distances, fingerprint

SAMPLE = Path(keiki.__file__).parent / "sample" / "pictures"


def some(n: int) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted(SAMPLE.rglob("*.png"))[:: 588 // n][:n]]


def slow(image: Image.Image) -> str:
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), dtype=float)
    low = dctn(grey, type=2, norm=None)[:8, :8].ravel() / 4  # SciPy counts each cosine twice, for both axes
    bits = [False, *(low[1:] > np.median(low[1:]) + 20)]
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def test_equal_to_the_textbook_transform() -> None:
    for image in some(20):
        assert fingerprint(image) == slow(image)


def test_recompressed_resized_and_brightened_pictures_stay_near_and_others_are_far() -> None:
    images = some(40)
    own = as_bits([fingerprint(image) for image in images])
    changed = []
    for image in images:
        out = io.BytesIO()
        image.resize((50, 50)).point(lambda v: min(255, int(1.1 * v))).save(out, "JPEG", quality=60)
        changed.append(fingerprint(Image.open(out)))
    apart = distances(own[:, None], as_bits(changed)[None])
    assert np.median(np.diag(apart)) <= 4
    assert np.median(apart[~np.eye(40, dtype=bool)]) >= 20


def test_distances_count_bits() -> None:
    numbers = np.random.default_rng(0).integers(0, 2**63, 50, dtype=np.uint64)
    found = distances(numbers[:, None], numbers[None])
    assert found.tolist() == [[(int(a) ^ int(b)).bit_count() for b in numbers] for a in numbers]
