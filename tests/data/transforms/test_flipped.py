"""A mirrored picture is prepared as its mirror image would be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.data.transforms.base import restore
from keiki.data.transforms.flipped import FlippedTransform
from keiki.data.transforms.image import ImageTransform


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_it_is_the_transform_of_the_mirror_image(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 51, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.ascontiguousarray(pixels[:, ::-1])).save(tmp_path / "b.png")
    inner = ImageTransform(mode=mode, size=17)  # type: ignore[arg-type]
    flipped = FlippedTransform(inner)
    np.testing.assert_array_equal(flipped.prepare(tmp_path / "a.png"), inner.prepare(tmp_path / "b.png"))
    assert (flipped.prepare(tmp_path / "a.png") != inner.prepare(tmp_path / "a.png")).any()
    assert restore(flipped.to_json(), tmp_path) == flipped
