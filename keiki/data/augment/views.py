"""Several views of one picture to ask a model about: the picture as it is, its middle and corners, each mirrored too.

The views of the ten-crop protocol, Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
networks", section 4.1 (parts of 7/8 of each side), with the whole picture before them. Pillow and NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from keiki.core.errors import OptionError, RequestError
from keiki.data.picture import DETAIL, decode
from keiki.data.task import Raw
from keiki.data.transforms.base import Array, Transform, path_of

PART = 7 / 8  # of each side
_PLACES = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))  # of the parts: middle, corners


@dataclass(frozen=True)
class Views:
    """The first `n` views of a picture, each prepared by `transform`; the first one is what it makes of the picture.

    flips: each view is followed by its mirror image.
    """

    transform: Transform
    n: int
    flips: bool

    def __post_init__(self) -> None:
        if not hasattr(self.transform, "from_picture"):
            raise RequestError(
                "Several views are averaged where a model looks at pictures, and this one does not.",
                hint="Ask without --augment.",
            )
        if not 1 <= self.n <= self.most:
            mirrored = (
                "" if self.flips else ", without mirror images because the classes of this model are told by them"
            )
            raise OptionError(f"There are 1 to {self.most} views of a picture{mirrored}, but got --augment {self.n}.")

    @property
    def most(self) -> int:
        """How many views there are."""
        return (1 + len(_PLACES)) * (1 + self.flips)

    @property
    def detail(self) -> int:
        """What `decode` must keep of a large picture."""
        return int(getattr(self.transform, "detail", DETAIL))

    def prepare(self, raw: Raw) -> Array:
        """The views (n, ...) of the picture in a file, decoded once; raises UnreadableItem."""
        return self.from_picture(decode(path_of(raw), self.detail))

    def from_picture(self, image: Image.Image) -> Array:
        """The same from a picture that was decoded with this `detail`."""
        start: Callable[[Image.Image], Array] = self.transform.from_picture  # type: ignore[attr-defined]  # asked above
        found = self._views(image)
        return np.stack([start(next(found)) for _ in range(self.n)])

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """The views of B items as the named inputs (B * n, ...) of the graph, item by item."""
        return self.transform.collate([view for views in prepared for view in views])

    def _views(self, image: Image.Image) -> Iterator[Image.Image]:
        for part in self._parts(image):
            yield part
            if self.flips:
                yield part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    def _parts(self, image: Image.Image) -> Iterator[Image.Image]:
        yield image
        wide, high = (max(1, round(PART * side)) for side in image.size)
        for down, right in _PLACES:
            left, top = round(right * (image.width - wide)), round(down * (image.height - high))
            yield image.crop((left, top, left + wide, top + high))
