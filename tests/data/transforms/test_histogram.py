"""Colours and edges are counted as the papers say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.feature import hog

from keiki.data.transforms.base import restore
from keiki.data.transforms.histogram import HistogramTransform


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8))


def test_colours_are_root_shares_of_a_joint_histogram() -> None:
    transform = HistogramTransform()
    found = transform.from_picture(picture())[: transform.bins**3]
    small = np.asarray(picture().resize((64, 64), Image.Resampling.BILINEAR).convert("HSV")).reshape(-1, 3)
    expected, _ = np.histogramdd(small, bins=(transform.bins,) * 3, range=[(0, 256)] * 3)
    np.testing.assert_allclose(found, np.sqrt(expected / len(small)).ravel(), atol=1e-6)
    np.testing.assert_allclose((found**2).sum(), 1, atol=1e-5)


def test_edges_are_hog_of_the_grey_picture() -> None:
    grey = np.asarray(picture().resize((64, 64), Image.Resampling.BILINEAR).convert("L")) / 255
    expected = hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2), block_norm="L2-Hys")
    np.testing.assert_allclose(HistogramTransform(bins=6).from_picture(picture())[6**3 :], expected, atol=1e-5)


def test_width_is_said_truly_and_json_survives(tmp_path: Path) -> None:
    transform = HistogramTransform(size=32, bins=4)
    found = transform.from_picture(picture())
    assert found.dtype == np.float32
    assert found.shape == (transform.width,)
    assert transform.collate([found, found])["features"].shape == (2, transform.width)
    assert restore(json.loads(json.dumps(transform.to_json())), tmp_path) == transform


def test_a_plain_picture_has_no_edges_and_no_nan() -> None:
    found = HistogramTransform(bins=6).from_picture(Image.new("RGB", (10, 10), "grey"))
    assert np.isfinite(found).all()
    assert not found[6**3 :].any()


def test_prepare_reads_the_file(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    transform = HistogramTransform()
    np.testing.assert_array_equal(transform.prepare(tmp_path / "a.png"), transform.from_picture(picture()))
