"""Perceptual hashes: 64 bits that are nearly the same for pictures that look nearly the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE, _KEPT = 32, 8
_FLAT = 20.0  # of a coefficient; rounding of 32 x 32 grey levels alone gives about 7
_COSINES = np.cos(np.pi * np.outer(np.arange(_KEPT), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))  # (8, 32)

Bits = npt.NDArray[np.uint64]


def fingerprint(image: Image.Image) -> str:
    """16 hexadecimal digits: which of the 63 lowest frequencies of the grey picture lie above their median.

    The mean itself (the first bit) never counts, so brightness does not matter; frequencies that are as weak as
    rounding count as not above. Source: Zauner 2010, "Implementation and benchmarking of perceptual image hash
    functions", section 3.2.1 (DCT based hash); there the median includes no mean either.

    >>> fingerprint(Image.new("RGB", (40, 30), "red"))
    '0000000000000000'
    """
    grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    above = low > np.median(low[1:]) + _FLAT
    above[0] = False
    return np.packbits(above).tobytes().hex()


def as_bits(fingerprints: Sequence[str]) -> Bits:
    """(N,) uint64 of hexadecimal fingerprints."""
    return np.array([int(each, 16) for each in fingerprints], dtype=np.uint64)


def distances(one: Bits, other: Bits) -> npt.NDArray[np.uint8]:
    """Number of differing bits (..., 0 to 64), by broadcasting.

    >>> distances(as_bits(["00000000000000ff"]), as_bits(["0000000000000000"])).tolist()
    [8]
    """
    counts: npt.NDArray[np.uint8] = np.bitwise_count(one ^ other)
    return counts
