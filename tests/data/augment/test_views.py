"""Views of a picture: itself first, then parts and mirror images of it, each prepared like any picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.core.errors import OptionError, RequestError
from keiki.data.augment.views import Views
from keiki.data.transforms.constant import ConstantTransform
from keiki.data.transforms.histogram import HistogramTransform
from keiki.data.transforms.image import ImageTransform

TRANSFORM = ImageTransform(mode="crop", size=16)


def photo(folder: Path) -> Path:
    path = folder / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 64, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_the_first_view_is_the_picture_itself(tmp_path: Path) -> None:
    path = photo(tmp_path)
    for flips in (True, False):
        views = Views(TRANSFORM, 3, flips).prepare(path)
        assert views.shape == (3, 16, 16, 3)
        np.testing.assert_array_equal(views[0], TRANSFORM.prepare(path))


def test_the_others_are_mirror_images_middle_and_corners(tmp_path: Path) -> None:
    path = photo(tmp_path)
    whole = Image.open(path).convert("RGB")  # 64 x 40: parts are 56 x 35
    boxes = [(4, 2, 60, 37), (0, 0, 56, 35), (8, 0, 64, 35), (0, 5, 56, 40), (8, 5, 64, 40)]
    parts = [whole, *(whole.crop(box) for box in boxes)]
    mirrored = [part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for part in parts]
    expected = [TRANSFORM.from_picture(each) for pair in zip(parts, mirrored, strict=True) for each in pair]
    np.testing.assert_array_equal(Views(TRANSFORM, 12, True).prepare(path), np.stack(expected))
    np.testing.assert_array_equal(Views(TRANSFORM, 6, False).prepare(path), np.stack(expected[::2]))


def test_views_are_collated_item_by_item(tmp_path: Path) -> None:
    views = Views(TRANSFORM, 4, True)
    prepared = views.prepare(photo(tmp_path))
    together = views.collate([prepared, prepared[::-1]])["image"]
    np.testing.assert_array_equal(together[:4], TRANSFORM.collate(list(prepared))["image"])
    np.testing.assert_array_equal(together[4:], together[:4][::-1])


def test_counted_features_have_views_too(tmp_path: Path) -> None:
    assert Views(HistogramTransform(), 2, True).prepare(photo(tmp_path)).shape == (2, HistogramTransform().width)


def test_a_picture_of_one_pixel_has_all_views() -> None:
    assert Views(TRANSFORM, 12, True).from_picture(Image.new("RGB", (1, 1))).shape == (12, 16, 16, 3)


@pytest.mark.parametrize(("n", "flips", "most"), [(0, True, 12), (13, True, 12), (7, False, 6)])
def test_more_views_than_there_are_are_refused(n: int, flips: bool, most: int) -> None:
    with pytest.raises(OptionError, match=f"1 to {most} views"):
        Views(TRANSFORM, n, flips)


def test_a_model_that_looks_at_no_pixels_has_no_views() -> None:
    with pytest.raises(RequestError, match="looks at pictures, and this one does not"):
        Views(ConstantTransform(), 2, True)
