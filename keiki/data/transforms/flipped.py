"""Pictures, mirrored: what a preprocessing makes of a picture as seen from behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from PIL import Image

from keiki.data.picture import decode
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform, path_of
from keiki.data.transforms.image import ImageTransform


@TRANSFORMS.add("flipped")
@dataclass(frozen=True)
class FlippedTransform(Transform):
    """`inner` after the picture's left and right have been swapped."""

    inner: ImageTransform

    kind: ClassVar[str] = "flipped"

    @property
    def detail(self) -> int:
        """What `decode` must keep of a large picture."""
        return self.inner.detail

    def prepare(self, raw: Raw) -> Array:
        """The mirrored picture as uint8 (size, size, 3); raises UnreadableItem."""
        return self.from_picture(decode(path_of(raw), self.detail))

    def from_picture(self, image: Image.Image) -> Array:
        """The same from a picture that was decoded with this transform's `detail`."""
        return self.inner.from_picture(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """{'image': float32 (B, 3, size, size)}."""
        return self.inner.collate(prepared)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "inner": self.inner.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        return cls(ImageTransform.from_json(data["inner"], folder))
