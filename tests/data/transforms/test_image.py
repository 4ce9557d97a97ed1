"""Pictures become the arrays that the formula says, whichever way they come."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.core.errors import OptionError, UnreadableItem
from keiki.data.facts import image_fact
from keiki.data.picture import decode
from keiki.data.transforms.base import restore
from keiki.data.transforms.image import ImageTransform, View

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    array = np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(array).resize((160, 100), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_prepared_is_a_square_of_bytes(photo: Path, mode: View) -> None:
    prepared = ImageTransform(mode=mode, size=32).prepare(photo)
    assert prepared.shape == (32, 32, 3)
    assert prepared.dtype == np.uint8


def test_squash_is_pillows_antialiased_bicubic(photo: Path) -> None:
    expected = np.asarray(Image.open(photo).resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(ImageTransform(size=32).prepare(photo), expected)


def test_crop_takes_the_largest_square_in_the_middle_before_it_resizes(photo: Path) -> None:
    cropped = Image.open(photo).crop((30, 0, 130, 100)).resize((32, 32), Image.Resampling.BICUBIC)
    found = ImageTransform(mode="crop", size=32).prepare(photo).astype(int)
    inside = slice(None), slice(2, -2)  # at the border the filter may look at the real neighbours
    np.testing.assert_array_equal(found[inside], np.asarray(cropped).astype(int)[inside])


def test_pad_keeps_all_of_the_picture_on_the_mean_colour() -> None:
    found = ImageTransform(mode="pad", size=32, **IMAGENET).from_picture(Image.new("RGB", (64, 16), "white"))
    assert (found[12:20] == 255).all()
    assert (found[:12] == [124, 116, 104]).all()
    assert (found[20:] == [124, 116, 104]).all()


def test_pad_of_a_line_keeps_one_pixel() -> None:
    assert ImageTransform(mode="pad", size=8).from_picture(Image.new("RGB", (1000, 1))).shape == (8, 8, 3)


def test_collate_is_the_formula(photo: Path) -> None:
    transform = ImageTransform(size=16, **IMAGENET)
    prepared = [transform.prepare(photo), np.arange(768, dtype=np.uint8).reshape(16, 16, 3)]
    expected = (np.stack(prepared) / 255 - np.array(IMAGENET["mean"])) / np.array(IMAGENET["std"])
    found = transform.collate(prepared)["image"]
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_one_item_alone_has_the_same_bits_as_in_a_batch(photo: Path) -> None:
    transform = ImageTransform(size=16, **IMAGENET)
    prepared = [transform.prepare(photo), np.zeros((16, 16, 3), np.uint8)]
    np.testing.assert_array_equal(transform.collate(prepared)["image"][:1], transform.collate(prepared[:1])["image"])


def test_starting_from_the_decoded_picture_gives_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    array = np.random.default_rng(0).integers(0, 256, (1100, 1500, 3), dtype=np.uint8)
    Image.fromarray(array).save(path)
    transform = ImageTransform(mode="crop", size=64)
    _, picture = image_fact(path)
    assert picture is not None
    np.testing.assert_array_equal(transform.from_picture(picture), transform.prepare(path))


def test_large_inputs_keep_the_detail_that_they_need(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    Image.new("RGB", (1400, 1100)).save(path)
    transform = ImageTransform(size=500)
    assert transform.detail == 1000
    assert decode(path, transform.detail).size == (1400, 1100)
    assert decode(path).size == (700, 550)


def test_survives_json(tmp_path: Path) -> None:
    transform = ImageTransform(mode="pad", size=99, interpolation="bilinear", **IMAGENET)
    assert restore(json.loads(json.dumps(transform.to_json())), tmp_path) == transform


def test_wrong_options_are_refused() -> None:
    with pytest.raises(OptionError):
        ImageTransform(mode="stretch")  # type: ignore[arg-type]


def test_unreadable_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no")
    with pytest.raises(UnreadableItem, match="not a picture"):
        ImageTransform().prepare(tmp_path / "x.jpg")


def test_grey_jpeg_has_three_equal_channels() -> None:
    out = io.BytesIO()
    Image.new("L", (20, 20), 90).save(out, "JPEG")
    found = ImageTransform(size=4).from_picture(decode(out.getvalue()))
    assert (found == found[..., :1]).all()
