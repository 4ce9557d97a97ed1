"""Variants of a picture: a random part of it, mirrored or not, distorted, with a rectangle taken out.

Parameters are drawn here, from the item's own stream; the pixels are moved by torchvision.transforms.v2, on Pillow
pictures: one thread, integer arithmetic, no global state, so the bits do not depend on how many threads torch has.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from PIL import Image

from keiki.core.errors import InstallationError, OptionError
from keiki.data.transforms.base import Array
from keiki.data.transforms.image import ImageTransform
from keiki.engines import torchvision_guard

MARGIN = 1.25  # side of what is kept over the side that the network sees
LOSSLESS = 1 / MARGIN**2  # the smallest crop that still has as many pixels as the network sees
TRIES = 10
CROP_RATIO = (3 / 4, 4 / 3)
ERASED, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)  # of the area; of the sides
BINS = 31  # strengths of a distortion
RAND_COUNT, RAND_STRENGTH = 2, 9  # RandAugment's N and M

Distortion = Literal["none", "trivial", "rand"]
_LOADING = threading.Lock()


@dataclass(frozen=True)
class PictureAugment:
    """How pictures for `transform` vary.

    crop: the smallest share of the area that a random crop keeps, sides at 3:4 to 4:3, brought back to the full size
    (Szegedy et al. 2015, arXiv:1409.4842, section 6); 1: none. flip: half of all pictures are mirrored. distortion:
    'trivial' is TrivialAugment Wide, one distortion at a random strength (Müller and Hutter 2021, arXiv:2103.10158);
    'rand' is RandAugment, two at strength 9 of 30 (Cubuk et al. 2019, arXiv:1909.13719). turn: degrees that a picture
    is turned at most; 135 are TrivialAugment's, fewer keep up from down. erasing: share of the pictures from which a
    rectangle is erased, filled with the mean colour (Zhong et al. 2017, arXiv:1708.04896).

    What is kept has 1.25 times the side, so that a crop of 64 % of the area loses no detail.
    Deviation: TrivialAugment shifts by up to 32 pixels whatever the size; here by 32 / 224 of the side.
    """

    transform: ImageTransform
    crop: float = 1.0
    flip: bool = False
    distortion: Distortion = "none"
    turn: float = 135.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.crop <= 1 and 0 <= self.erasing <= 1 and self.turn >= 0):
            raise OptionError(f"No such augmentation: crop={self.crop}, erasing={self.erasing}, turn={self.turn}.")

    @property
    def source(self) -> ImageTransform:
        """The same view at 1.25 times the size, where crops are taken from it."""
        return self.transform if self.crop == 1 else replace(self.transform, size=round(MARGIN * self.transform.size))

    @property
    def fill(self) -> list[int]:
        """The mean colour, which becomes about 0."""
        return [round(255 * value) for value in self.transform.mean]

    def draw(self, kept: Array, rng: np.random.Generator) -> Array:
        """uint8 (S, S, 3), of `source`, to uint8 (size, size, 3)."""
        move = functional()
        image = Image.fromarray(np.asarray(kept, dtype=np.uint8))
        if self.crop < 1:
            top, left, height, width = crop_box(image.height, image.width, self.crop, rng)
            size = [self.transform.size] * 2
            filter = _mode(self.transform.interpolation)
            image = move.resized_crop(image, top, left, height, width, size, interpolation=filter, antialias=True)
        if self.flip and rng.random() < 0.5:
            image = move.horizontal_flip(image)
        for name, strength in self._distortions(rng):
            image = distort(image, name, strength, self.fill)
        pixels = np.array(image)
        if self.erasing and rng.random() < self.erasing:
            _erase(pixels, self.fill, rng)
        return pixels

    def _distortions(self, rng: np.random.Generator) -> list[tuple[str, float]]:
        if self.distortion == "none":
            return []
        wide = self.distortion == "trivial"
        space = strengths(self.transform.size, wide=wide, turn=self.turn)
        names = list(space)
        drawn = []
        for _ in range(1 if wide else RAND_COUNT):
            name = names[int(rng.integers(len(names)))]
            level = int(rng.integers(BINS)) if wide else RAND_STRENGTH
            sign = -1 if name in SIGNED and rng.random() < 0.5 else 1
            drawn.append((name, sign * space[name](level / (BINS - 1))))
        return drawn


SIGNED = frozenset("ShearX ShearY TranslateX TranslateY Rotate Brightness Color Contrast Sharpness".split())  # noqa: SIM905
Strength = Callable[[float], float]


def strengths(size: int, *, wide: bool, turn: float) -> dict[str, Strength]:
    """The distortions of TrivialAugment (wide) or RandAugment by name: a level from 0 to 1 to the strength of each.

    Shears are tangents, shifts pixels, turns degrees; colour, contrast, ... are added to a factor of 1.
    """
    shear, shift, colour = (0.99, size * 32 / 224, 0.99) if wide else (0.3, size * 150 / 331, 0.9)
    turned = min(turn, 135.0 if wide else 30.0)
    bits = 6 if wide else 4
    scaled = {"ShearX": shear, "ShearY": shear, "TranslateX": shift, "TranslateY": shift, "Rotate": turned}
    scaled |= dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), colour)
    space = {name: _up_to(top) for name, top in scaled.items()}
    space["Posterize"] = lambda level: 8 - round(bits * level)
    space["Solarize"] = lambda level: 255 * (1 - level)
    return {**space, **dict.fromkeys(("Identity", "AutoContrast", "Equalize"), lambda level: 0.0)}


def _up_to(top: float) -> Strength:
    return lambda level: top * level


def distort(image: Image.Image, name: str, strength: float, fill: list[int]) -> Image.Image:
    """The picture after one distortion; see `strengths`."""
    move, smooth = functional(), _mode("bilinear")
    affine = functools.partial(move.affine, image, angle=0.0, scale=1.0, interpolation=smooth, fill=fill)
    slope = math.degrees(math.atan(strength))
    actions: dict[str, Callable[[], Any]] = {
        "Identity": lambda: image,
        "ShearX": lambda: affine(translate=[0, 0], shear=[slope, 0.0], center=[0, 0]),
        "ShearY": lambda: affine(translate=[0, 0], shear=[0.0, slope], center=[0, 0]),
        "TranslateX": lambda: affine(translate=[int(strength), 0], shear=[0.0, 0.0]),
        "TranslateY": lambda: affine(translate=[0, int(strength)], shear=[0.0, 0.0]),
        "Rotate": lambda: move.rotate(image, strength, interpolation=smooth, fill=fill),
        "Brightness": lambda: move.adjust_brightness(image, 1 + strength),
        "Color": lambda: move.adjust_saturation(image, 1 + strength),
        "Contrast": lambda: move.adjust_contrast(image, 1 + strength),
        "Sharpness": lambda: move.adjust_sharpness(image, 1 + strength),
        "Posterize": lambda: move.posterize(image, int(strength)),
        "Solarize": lambda: move.solarize(image, strength),
        "AutoContrast": lambda: move.autocontrast(image),
        "Equalize": lambda: move.equalize(image),
    }
    return cast(Image.Image, actions[name]())


def crop_box(height: int, width: int, least: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a random part with at least a share `least` of the area; the whole, if none fits.

    As torchvision draws it: the area evenly, the logarithm of width / height evenly.
    """
    for _ in range(TRIES):
        area, ratio = height * width * rng.uniform(least, 1), _ratio(CROP_RATIO, rng)
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1)), high, wide
    return 0, 0, height, width


def _erase(pixels: np.ndarray, fill: list[int], rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    for _ in range(TRIES):
        area, ratio = height * width * rng.uniform(*ERASED), _ratio(ERASED_RATIO, rng)
        high, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < high < height and 0 < wide < width:
            top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
            pixels[top : top + high, left : left + wide] = fill
            return


def _ratio(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))


@functools.cache
def _mode(name: str) -> Any:
    functional()
    from torchvision.transforms.v2 import InterpolationMode

    return {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}[name]


def functional() -> Any:
    """torchvision.transforms.v2.functional; raises InstallationError where torchvision cannot be used."""
    with _LOADING:  # its guard must not be asked by two threads at once
        status = torchvision_guard.ensure()
    if status.state in ("absent", "broken"):
        raise InstallationError(
            f"Augmenting pictures needs torchvision, which is {status}.",
            hint="See: keiki doctor; or --set augment=none",
        )
    from torchvision.transforms.v2 import functional as found

    return found
