"""Copies are alike everywhere; pictures that differ in one place are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import keiki
from keiki.data.facts import thumbnail
from keiki.data.overlay import ALIKE, closely, roughly, signatures, unpacked

SAMPLE = Path(keiki.__file__).parent / "sample" / "pictures"


def sample(n: int) -> list[Image.Image]:
    found = []
    for path in sorted(SAMPLE.rglob("*.png"))[:: 588 // n][:n]:
        picture = Image.open(path).convert("RGBA")
        found.append(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))
    return found


def alike(one: Image.Image, other: Image.Image) -> float:
    pictures = [unpacked([thumbnail(each)]) for each in (one, other)]
    where, _ = roughly(*(each.coarse() for each in pictures))
    return float(closely(*pictures, where)[0])


def clock(hour: float) -> Image.Image:
    image = Image.new("RGB", (144, 144), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((8, 8, 136, 136), fill=(230, 230, 235), outline=(90, 90, 110), width=10)
    for angle, length in ((hour * np.pi / 6, 34), (0.0, 52)):
        end = (72 + length * np.sin(angle), 72 - length * np.cos(angle))
        draw.line((72, 72, *end), fill=(190, 30, 60), width=7)
    return image.resize((72, 72), Image.Resampling.LANCZOS)


def recompressed(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=50)
    return Image.open(out)


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((round(0.05 * width), round(0.05 * height), width, height))


CHANGES = {
    "recompressed": recompressed,
    "smaller": lambda image: image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.BILINEAR),
    "larger": lambda image: image.resize((200, 200), Image.Resampling.BICUBIC),
    "cropped": cropped,
    "brighter": lambda image: image.point(lambda v: min(255, round(1.2 * v))),
    "darker": lambda image: image.point(lambda v: round(0.75 * v)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_copies_of_real_pictures_are_alike_everywhere(change: str) -> None:
    found = [alike(image, CHANGES[change](image)) for image in sample(12)]
    assert np.mean(np.array(found) >= ALIKE) >= 0.9, found


def test_other_pictures_are_not() -> None:
    images = sample(12)
    assert max(alike(one, other) for i, one in enumerate(images) for other in images[:i]) < ALIKE


def test_clocks_that_show_another_hour_are_other_pictures() -> None:
    assert alike(clock(3), recompressed(clock(3))) >= ALIKE
    assert max(alike(clock(3), clock(hour)) for hour in (2, 4, 5, 8)) < ALIKE / 2


def test_another_colour_is_another_picture() -> None:
    red, blue = Image.new("RGB", (60, 60), "white"), Image.new("RGB", (60, 60), "white")
    ImageDraw.Draw(red).ellipse((10, 10, 50, 50), fill=(210, 40, 40))
    ImageDraw.Draw(blue).ellipse((10, 10, 50, 50), fill=(40, 60, 210))
    assert alike(red, blue) < 0.3


def test_plain_pictures_are_alike_to_nothing() -> None:
    assert alike(Image.new("RGB", (50, 50), "red"), Image.new("RGB", (60, 60), "red")) == 0.0


def test_the_order_of_two_pictures_hardly_matters() -> None:
    for image in sample(6):
        assert alike(image, cropped(image)) == pytest.approx(alike(cropped(image), image), abs=0.1)


def test_a_shift_and_a_scale_are_found() -> None:
    big = sample(3)[1].resize((480, 480))
    part = big.crop((24, 48, 456, 432))  # the middle 90 % of the width, the middle 80 % of the height
    whole, smaller = (unpacked([thumbnail(each)]).coarse() for each in (big, part))
    where, agreement = roughly(whole, smaller)
    power = -1 if smaller.mean() < whole.mean() else 1  # the darker one is moved
    np.testing.assert_allclose(where[0], [[0.8**power, 0.0], [0.9**power, 0.0]], atol=0.03)
    assert agreement[0] > 0.97


def test_a_brightened_copy_with_its_lights_cut_off_is_a_copy() -> None:
    picture = sample(8)[4]
    assert alike(picture, picture.point(lambda v: min(255, round(1.3 * v)))) >= ALIKE


def test_signatures_multiply_to_correlations_of_coarse_grey_levels() -> None:
    coarse = np.random.default_rng(0).random((4, 3, 16, 16), dtype=np.float32)
    expected = np.corrcoef(coarse.mean(axis=1).reshape(4, -1))
    levels = signatures(coarse)
    np.testing.assert_allclose(levels @ levels.T, expected, atol=1e-5)


def test_windows_are_sums_and_the_worst_one_decides() -> None:
    from keiki.data.overlay import SIDE, WINDOW, _windows

    values = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)
    found, half = _windows(values), WINDOW // 2
    assert found.shape == (2, SIDE // half - 1, SIDE // half - 1)
    for y, x in ((0, 0), (3, 5)):
        expected = values[1, half * y : half * y + WINDOW, half * x : half * x + WINDOW].sum()
        assert found[1, y, x] == pytest.approx(expected, rel=1e-4)
    picture = sample(3)[2].resize((96, 96))
    spoiled = picture.copy()
    spoiled.paste((255, 0, 255), (40, 40, 56, 56))
    assert alike(picture, spoiled) < 0.2
