"""Raw pixels: the input of a small network that is trained from scratch, as a control without transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keiki.backbones.base import FAMILIES, Backbone, Card, Family, Stage
from keiki.core.errors import UnknownName
from keiki.core.files import digest
from keiki.data.transforms.base import Array, Transform
from keiki.data.transforms.image import ImageTransform

if TYPE_CHECKING:
    from torch import nn

SIDE = 24  # pixels of the squashed thumbnail
WIDTH = 64
N_WEIGHTS = 23_696


class SmallCnn(Backbone):
    """`small-cnn`: three 3x3 convolutions (16, 32, 64 channels) with BatchNorm and pooling, on 24-pixel thumbnails.

    Nothing is pretrained. As frozen features it gives the pixels themselves, 3 * 24 * 24; its `module` is the
    untrained network, (B, 3, 24, 24) -> (B, 64), 24,000 weights.
    """

    network_width = WIDTH

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self.card = Card(
            name="small-cnn",
            family="pixels",
            modality="image",
            width=3 * SIDE * SIDE,
            parameters=N_WEIGHTS,
            licence="Apache-2.0",
            origin="keiki",
            digest=digest(["small-cnn", SIDE, WIDTH, seed]),
            pretrained=False,
        )

    def transforms(self) -> dict[str, Transform]:
        half = (0.5, 0.5, 0.5)
        return {f"squash-{SIDE}": ImageTransform(mode="squash", size=SIDE, mean=half, std=half)}

    def module(self) -> nn.Module:
        from keiki.nn.smallcnn import SmallCnnBody

        return SmallCnnBody(WIDTH, self._seed).eval()

    def randomised(self, seed: int) -> SmallCnn:
        return SmallCnn(seed)

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        pictures = np.linspace(-1, 1, 5 * 3 * SIDE * SIDE, dtype=np.float32).reshape(5, 3, SIDE, SIDE)
        return {"image": pictures[:2]}, {"image": pictures[2:]}

    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(f"block{i}", (f"block{i}",)) for i in range(3))


@FAMILIES.add("pixels")
class PixelFamily(Family):
    """The one small network on pixels."""

    prefix = ""

    @classmethod
    def listed(cls) -> dict[str, str]:
        return {"small-cnn": "three convolutions on 24-pixel thumbnails, nothing pretrained (a control)"}

    @classmethod
    def load(cls, name: str) -> Backbone:
        if name != "small-cnn":
            raise UnknownName("backbone", name, cls.listed())
        return SmallCnn()
