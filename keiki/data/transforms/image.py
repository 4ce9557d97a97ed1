"""Pictures for a vision network: decoded, brought to a square, normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from PIL import Image

from keiki.core.errors import OptionError
from keiki.data.picture import DETAIL, decode
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform, path_of

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
View = Literal["squash", "crop", "pad"]


@TRANSFORMS.add("image")
@dataclass(frozen=True)
class ImageTransform(Transform):
    """A picture as a square of `size` pixels, (x / 255 - mean) / std for each channel.

    mode 'squash' bends the whole picture into the square; 'crop' takes the largest square in its middle, then resizes
    that; 'pad' fits the whole picture in and fills the rest with the mean colour, which becomes about 0.
    """

    mode: View = "squash"
    size: int = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"

    kind: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        if self.mode not in ("squash", "crop", "pad") or self.interpolation not in _FILTERS or self.size < 1:
            raise OptionError(f"No such image preprocessing: {asdict(self)}.")

    @property
    def detail(self) -> int:
        """What `decode` must keep of a large picture so that this transform loses nothing that shows."""
        return max(DETAIL, 2 * self.size)

    def prepare(self, raw: Raw) -> Array:
        """The picture as uint8 (size, size, 3); raises UnreadableItem."""
        return self.from_picture(decode(path_of(raw), self.detail))

    def from_picture(self, image: Image.Image) -> Array:
        """The same from a picture that was decoded with this transform's `detail`."""
        filter = _FILTERS[self.interpolation]
        if self.mode == "pad":
            return np.asarray(self._padded(image, filter))
        box = _middle(*image.size) if self.mode == "crop" else None
        return np.asarray(image.resize((self.size, self.size), filter, box=box))

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """{'image': float32 (B, 3, size, size)}."""
        pixels = np.stack(prepared)  # (B, H, W, 3)
        image = np.empty((len(pixels), 3, self.size, self.size), dtype=np.float32)
        for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
            np.multiply(pixels[..., channel], np.float32(1 / (255 * std)), out=image[:, channel])
            image[:, channel] -= np.float32(mean / std)
        return {"image": image}

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        options = {name: value for name, value in data.items() if name != "kind"}
        red, green, blue = (float(value) for value in data["mean"])
        deviations = tuple(float(value) for value in data["std"])
        return cls(**{**options, "mean": (red, green, blue), "std": deviations})

    def _padded(self, image: Image.Image, filter: Image.Resampling) -> Image.Image:
        scale = self.size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        red, green, blue = (round(255 * value) for value in self.mean)
        square = Image.new("RGB", (self.size, self.size), (red, green, blue))
        square.paste(image.resize((width, height), filter), ((self.size - width) // 2, (self.size - height) // 2))
        return square


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side
