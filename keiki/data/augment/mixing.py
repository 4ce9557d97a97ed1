"""Pictures of a batch mixed with each other: MixUp blends two of them, CutMix pastes a rectangle of one into another.

    MixUp    x = t x_i + (1 - t) x_j                        Zhang et al. 2018, arXiv:1710.09412, section 2
    CutMix   x = x_i outside the rectangle, x_j inside      Yun et al. 2019, arXiv:1905.04899, section 3.1

with t ~ Beta(alpha, alpha), one for the batch, and partners j by a random permutation, as in both papers' code. The
rectangle has sqrt(1 - t) of each side, its middle falls anywhere, what sticks out is cut off, and t becomes the share
that is left of x_i. The loss is t l(y_i) + (1 - t) l(y_j).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from keiki.core.errors import OptionError
from keiki.data.task import Batch
from keiki.data.transforms.base import Array


@dataclass(frozen=True)
class PictureMixing:
    """MixUp or CutMix for each batch, by a throw of a coin where both have an alpha; an alpha of 0 is never chosen."""

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if min(self.mixup, self.cutmix) < 0 or max(self.mixup, self.cutmix) <= 0:
            raise OptionError(f"Mixing wants an alpha above 0, but got mixup={self.mixup} and cutmix={self.cutmix}.")

    def mix(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch with every input (B, ..., H, W) mixed."""
        cut = self.mixup == 0 or (self.cutmix > 0 and rng.random() < 0.5)
        alpha = self.cutmix if cut else self.mixup
        share, partners = float(rng.beta(alpha, alpha)), rng.permutation(len(batch.labels))
        if cut:
            height, width = next(iter(batch.inputs.values())).shape[-2:]
            box = rectangle(height, width, share, rng)
            inputs = {name: pasted(array, partners, box) for name, array in batch.inputs.items()}
            share = 1 - (box[1] - box[0]) * (box[3] - box[2]) / (height * width)
        else:
            inputs = {name: blended(array, partners, share) for name, array in batch.inputs.items()}
        shares = np.full(len(batch.labels), share, dtype=np.float32)
        return replace(batch, inputs=inputs, partners=partners, others=batch.labels[partners], shares=shares)


Box = tuple[int, int, int, int]  # top, bottom, left, right


def blended(array: Array, partners: np.ndarray, share: float) -> Array:
    """share x + (1 - share) x[partners], in the array's own type.

    >>> blended(np.float32([[0], [8]]), np.array([1, 0]), 0.75).tolist()
    [[2.0], [6.0]]
    """
    out = np.multiply(array, array.dtype.type(share))
    out += np.multiply(array[partners], array.dtype.type(1 - share))
    return out


def pasted(array: Array, partners: np.ndarray, box: Box) -> Array:
    """Each picture with its partner's pixels inside the box."""
    top, bottom, left, right = box
    out = array.copy()
    out[..., top:bottom, left:right] = array[partners][..., top:bottom, left:right]
    return out


def rectangle(height: int, width: int, share: float, rng: np.random.Generator) -> Box:
    """A rectangle with (1 - share) of the area, less what lies outside the picture."""
    half = 0.5 * math.sqrt(1 - share)
    middle_y, middle_x = int(rng.integers(height)), int(rng.integers(width))
    high, wide = int(half * height), int(half * width)
    return max(middle_y - high, 0), min(middle_y + high, height), max(middle_x - wide, 0), min(middle_x + wide, width)
