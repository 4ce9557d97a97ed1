"""Pictures for the control without transfer: colours and edge directions, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from keiki.data.picture import decode
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform, path_of


@TRANSFORMS.add("histogram")
@dataclass(frozen=True)
class HistogramTransform(Transform):
    """Joint HSV histogram (6 x 6 x 6 bins, square root of the shares) and HOG (9 directions, cells of 8 pixels).

    The picture is squashed to `size` pixels first. HOG: Dalal and Triggs 2005, "Histograms of oriented gradients for
    human detection", section 6, on the grey picture, 2 x 2 cells a block, L2-Hys. The square root makes Euclidean
    distance the Hellinger distance.
    """

    size: int = 64
    bins: int = 6  # with HOG's 1,764 that is below 2,048 features, up to which a head is solved in its principal axes

    kind: ClassVar[str] = "histogram"

    @property
    def width(self) -> int:
        """D, the number of features: bins^3 colours and 36 for each block of 2 x 2 cells."""
        return self.bins**3 + 36 * (self.size // 8 - 1) ** 2

    def prepare(self, raw: Raw) -> Array:
        """float32 (D,); raises UnreadableItem."""
        return self.from_picture(decode(path_of(raw)))

    def from_picture(self, image: Image.Image) -> Array:
        """The same from a decoded picture."""
        small = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.concatenate([_colours(small, self.bins), _edges(small)])

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """{'features': float32 (B, D)}."""
        return {"features": np.stack(prepared)}

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "size": self.size, "bins": self.bins}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        return cls(int(data["size"]), int(data["bins"]))


def _colours(image: Image.Image, bins: int) -> npt.NDArray[np.float32]:
    levels = np.asarray(image.convert("HSV")).reshape(-1, 3).astype(np.int64) * bins // 256
    cell = (levels[:, 0] * bins + levels[:, 1]) * bins + levels[:, 2]
    counts = np.bincount(cell, minlength=bins**3)
    return np.sqrt(counts / len(cell)).astype(np.float32)


def _edges(image: Image.Image) -> npt.NDArray[np.float32]:
    from skimage.feature import hog

    grey = np.asarray(image.convert("L"), dtype=np.float32) / 255
    features = hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2), block_norm="L2-Hys")
    return np.asarray(features, dtype=np.float32)
