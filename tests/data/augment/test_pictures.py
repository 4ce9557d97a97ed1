"""Variants of pictures: the pixels are torchvision's, the numbers are the item's own, and nothing else is touched."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import kstest

from keiki.core.errors import OptionError
from keiki.data.augment import pictures
from keiki.data.augment.pictures import BINS, PictureAugment, crop_box, distort, functional, strengths
from keiki.data.transforms.base import Array
from keiki.data.transforms.image import ImageTransform

SIZE = 32
FILL = [128, 128, 128]


@pytest.fixture(scope="module", autouse=True)
def sound_torchvision() -> None:
    functional()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(size: int = 40, seed: int = 0) -> Array:
    coarse = Image.fromarray(rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def augment(**options: Any) -> PictureAugment:
    return PictureAugment(ImageTransform(size=SIZE), **options)


FULL: list[dict[str, Any]] = [
    {"crop": 0.4, "flip": True, "distortion": "trivial", "erasing": 0.5},
    {"crop": 0.25, "flip": True, "distortion": "rand", "erasing": 1.0},
    {"flip": True},
    {"crop": 0.64},
]


@pytest.mark.parametrize("options", FULL)
def test_equal_streams_draw_equal_bits_whatever_else_is_drawn(options: dict[str, Any]) -> None:
    import torch

    made = augment(**options)
    kept = picture(made.source.size)
    before = torch.get_rng_state()
    first = [made.draw(kept, rng(seed)) for seed in range(12)]
    assert bool((torch.get_rng_state() == before).all())
    torch.manual_seed(77)
    np.random.seed(77)  # noqa: NPY002  (the global state is what must not matter)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with ThreadPoolExecutor(4) as pool:
            again = list(pool.map(lambda seed: augment(**options).draw(kept.copy(), rng(seed)), range(12)))
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (SIZE, SIZE, 3)
        assert one.dtype == np.uint8
    assert len({one.tobytes() for one in first}) > 1


@pytest.mark.parametrize("options", FULL)
def test_what_is_kept_stays_as_it_is(options: dict[str, Any]) -> None:
    made = augment(**options)
    kept = picture(made.source.size)
    before = kept.copy()
    for seed in range(12):
        out = made.draw(kept, rng(seed))
        out[:] = 0
    np.testing.assert_array_equal(kept, before)


def test_the_source_is_larger_only_where_parts_are_taken() -> None:
    assert augment(crop=0.64).source == ImageTransform(size=40)
    assert augment(flip=True).source == ImageTransform(size=SIZE)
    assert round(0.64 * 40**2) == SIZE**2  # the smallest lossless part has the pixels that the network sees


def test_a_part_is_what_torchvision_makes_of_the_same_box() -> None:
    import torch
    from torchvision.transforms import v2

    made = augment(crop=0.4)
    kept = picture(40)
    top, left, height, width = crop_box(40, 40, 0.4, rng(5))
    witness = v2.functional.resized_crop(
        torch.from_numpy(kept.copy()).permute(2, 0, 1), top, left, height, width, [SIZE, SIZE],
        interpolation=v2.InterpolationMode.BICUBIC, antialias=True,
    )  # fmt: skip
    gap = np.abs(made.draw(kept, rng(5)).astype(int) - witness.permute(1, 2, 0).numpy().astype(int))
    assert gap.max() <= 1  # Pillow and torch round differently


def test_boxes_are_distributed_as_torchvision_draws_them() -> None:
    import torch
    from torchvision.transforms import v2

    stream, n = rng(1), 1500
    ours = np.array([crop_box(60, 80, 0.3, stream) for _ in range(n)])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs_of = v2.RandomResizedCrop(10, scale=(0.3, 1.0))
        params = [theirs_of.make_params([Image.new("RGB", (80, 60))]) for _ in range(n)]
    theirs = np.array([(p["top"], p["left"], p["height"], p["width"]) for p in params])
    for column in range(4):
        assert kstest(ours[:, column], theirs[:, column]).pvalue > 1e-3
    assert kstest(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]).pvalue > 1e-3
    assert (ours[:, 0] + ours[:, 2] <= 60).all()
    assert (ours[:, 1] + ours[:, 3] <= 80).all()


def test_half_of_the_pictures_are_mirrored() -> None:
    made, kept, stream = augment(flip=True), picture(SIZE), rng()
    mirrored = 0
    for _ in range(400):
        out = made.draw(kept, stream)
        if np.array_equal(out, kept[:, ::-1]):
            mirrored += 1
        else:
            np.testing.assert_array_equal(out, kept)
    assert 160 < mirrored < 240


@pytest.mark.parametrize(("wide", "size"), [(True, 224), (False, 331)])
def test_strengths_are_those_of_torchvision(wide: bool, size: int) -> None:
    from torchvision.transforms import v2

    witness = (v2.TrivialAugmentWide if wide else v2.RandAugment)._AUGMENTATION_SPACE
    ours = strengths(size, wide=wide, turn=135)
    assert ours.keys() == witness.keys()
    for name, (magnitudes, signed) in witness.items():
        assert signed == (name in pictures.SIGNED)
        expected = magnitudes(BINS, size, size)
        if expected is not None:
            scale = 255 if name == "Solarize" else 1
            found = [ours[name](level / (BINS - 1)) for level in range(BINS)]
            np.testing.assert_allclose(found, scale * expected.numpy(), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("name", sorted(strengths(SIZE, wide=True, turn=135)))
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_distortions_are_those_of_torchvision(name: str, level: float) -> None:
    from torchvision.transforms import v2

    kept = Image.fromarray(picture())
    strength = strengths(SIZE, wide=True, turn=135)[name](level)
    theirs = v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR, fill=FILL)
    expected = theirs._apply_image_or_video_transform(
        kept, name, strength / (255 if name == "Solarize" else 1), theirs.interpolation, theirs._fill
    )
    np.testing.assert_array_equal(np.asarray(distort(kept, name, strength, FILL)), np.asarray(expected))


@pytest.mark.parametrize("distortion", ["trivial", "rand"])
def test_every_distortion_is_drawn_and_no_other(distortion: Any) -> None:
    made, stream = augment(distortion=distortion), rng()
    drawn = [each for _ in range(600) for each in made._distortions(stream)]
    assert {name for name, _ in drawn} == set(strengths(SIZE, wide=True, turn=135))
    assert len(drawn) == 600 * (1 if distortion == "trivial" else 2)
    turns = [strength for name, strength in drawn if name == "Rotate"]
    assert min(turns) < 0 < max(turns)
    assert max(map(abs, turns)) <= (135 if distortion == "trivial" else 9)


def test_up_stays_up_where_it_must() -> None:
    made, stream = augment(distortion="trivial", turn=30), rng()
    turns = [s for _ in range(2000) for name, s in made._distortions(stream) if name == "Rotate"]
    assert 25 < max(map(abs, turns)) <= 30


def test_a_share_of_the_pictures_loses_a_rectangle() -> None:
    made, stream = augment(erasing=0.3), rng()
    kept = np.full((SIZE, SIZE, 3), 7, dtype=np.uint8)
    shares = []
    for _ in range(600):
        gone = (made.draw(kept, stream) == 128).all(axis=2)
        if gone.any():
            rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
            assert gone.sum() == len(rows) * len(columns)  # a rectangle
            assert np.ptp(rows) + 1 == len(rows)
            ratio = len(rows) / len(columns)
            assert 0.2 < ratio < 5  # 0.3 to 3.3, less rounding
            shares.append(gone.mean())
    assert 130 < len(shares) < 230
    assert 0.01 < min(shares) < max(shares) < 0.36


def test_a_picture_of_one_pixel_and_a_thin_one_have_parts() -> None:
    assert crop_box(1, 1, 0.5, rng()) == (0, 0, 1, 1)
    assert crop_box(1, 300, 0.9, rng()) == (0, 0, 1, 300)  # no part of these proportions: the whole
    out = PictureAugment(ImageTransform(size=1), crop=0.3, flip=True, distortion="rand", erasing=1.0).draw(
        np.zeros((1, 1, 3), dtype=np.uint8), rng()
    )
    assert out.shape == (1, 1, 3)


@pytest.mark.parametrize("options", [{"crop": 0.0}, {"crop": 1.1}, {"erasing": -0.1}, {"turn": -1.0}])
def test_options_without_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="No such augmentation"):
        augment(**options)


def test_the_seconds_of_a_variant_are_few() -> None:
    import time

    made = PictureAugment(ImageTransform(size=224), crop=0.4, flip=True, distortion="trivial", erasing=0.1)
    kept, stream = picture(280), rng()
    made.draw(kept, stream)
    start = time.process_time()
    for _ in range(40):
        made.draw(kept, stream)
    assert (time.process_time() - start) / 40 < 0.02  # 2 ms on an idle core
    assert math.isclose(pictures.LOSSLESS, 0.64)
