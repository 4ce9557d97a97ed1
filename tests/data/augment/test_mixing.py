"""MixUp and CutMix: torchvision's arithmetic with our numbers, and the laws of the papers for those numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from keiki.core.errors import OptionError
from keiki.data.augment.mixing import PictureMixing, blended, pasted, rectangle
from keiki.data.augment.pictures import functional
from keiki.data.task import Batch

N, CLASSES = 6, 4


@pytest.fixture(scope="module", autouse=True)
def sound_torchvision() -> None:
    functional()


def batch(seed: int = 0, n: int = N, side: tuple[int, int] = (12, 10)) -> Batch:
    random = np.random.default_rng(seed)
    images = random.normal(size=(n, 3, *side)).astype(np.float32)
    return Batch({"image": images}, random.integers(CLASSES, size=n), np.arange(n))


def mixed(mixing: PictureMixing, seed: int, given: Batch | None = None) -> Batch:
    return mixing.mix(given or batch(), np.random.default_rng(seed))


def soft(given: Batch) -> np.ndarray:
    """Labels as the loss sees them (B, C)."""
    assert given.partners is not None
    assert given.shares is not None
    own = np.eye(CLASSES)[given.labels]
    return given.shares[:, None] * own + (1 - given.shares[:, None]) * own[given.partners]


def test_mixup_is_torchvisions_with_the_same_share_and_partners() -> None:
    import torch
    from torchvision.transforms import v2

    given, roll = batch(), np.roll(np.arange(N), 1)
    witness = v2.MixUp(alpha=1.0, num_classes=CLASSES)
    witness.make_params = lambda inputs: {"lam": 0.3}
    images, labels = witness(torch.from_numpy(given.inputs["image"]), torch.from_numpy(given.labels))
    np.testing.assert_allclose(blended(given.inputs["image"], roll, 0.3), images.numpy(), rtol=1e-6, atol=1e-6)
    ours = Batch(given.inputs, given.labels, given.positions, roll, np.full(N, 0.3, dtype=np.float32))
    np.testing.assert_allclose(soft(ours), labels.numpy(), atol=1e-6)


def test_cutmix_is_torchvisions_with_the_same_rectangle_and_partners() -> None:
    import torch
    from torchvision.transforms import v2

    given, roll = batch(), np.roll(np.arange(N), 1)
    witness = v2.CutMix(alpha=1.0, num_classes=CLASSES)
    witness.make_params = lambda inputs: {"box": (2, 3, 7, 9), "lam_adjusted": 1 - 5 * 6 / 120}
    images, _ = witness(torch.from_numpy(given.inputs["image"]), torch.from_numpy(given.labels))
    np.testing.assert_array_equal(pasted(given.inputs["image"], roll, (3, 9, 2, 7)), images.numpy())


@pytest.mark.parametrize("mixing", [PictureMixing(mixup=0.4), PictureMixing(cutmix=1.0), PictureMixing(0.4, 1.0)])
def test_a_mixed_batch_is_what_its_partners_and_shares_say(mixing: PictureMixing) -> None:
    for seed in range(30):
        given = batch(seed)
        out = mixed(mixing, seed, given)
        assert out.partners is not None
        assert out.shares is not None
        assert out.shares.dtype == np.float32
        assert sorted(out.partners) == list(range(N))
        np.testing.assert_array_equal(out.labels, given.labels)
        own, other, found = given.inputs["image"], given.inputs["image"][out.partners], out.inputs["image"]
        share = float(out.shares[0])
        pieces = np.where(found == own, 0, np.where(found == other, 1, 2))
        if (pieces == 2).any():
            np.testing.assert_allclose(found, share * own + (1 - share) * other, atol=1e-5)
        else:  # a rectangle of the partner's: its share of the area
            strangers = (found != own).any(axis=(0, 1))
            assert out.partners.tolist() == list(range(N)) or strangers.mean() == pytest.approx(1 - share, abs=1e-6)


def test_what_is_given_stays_as_it_is() -> None:
    given, before = batch(), batch().inputs["image"].copy()
    for seed in range(8):
        out = mixed(PictureMixing(0.4, 1.0), seed, given)
        out.inputs["image"][:] = 0
    np.testing.assert_array_equal(given.inputs["image"], before)


def test_equal_streams_mix_equally() -> None:
    one, other = (mixed(PictureMixing(0.4, 1.0), 3) for _ in range(2))
    np.testing.assert_array_equal(one.inputs["image"], other.inputs["image"])
    assert one.partners is not None
    assert other.partners is not None
    assert one.partners.tolist() == other.partners.tolist()


def test_shares_of_mixup_follow_the_beta_law() -> None:
    given = batch(n=2, side=(1, 1))
    shares = [float(mixed(PictureMixing(mixup=0.3), seed, given).shares[0]) for seed in range(1500)]  # type: ignore[index]
    assert kstest(shares, "beta", args=(0.3, 0.3)).pvalue > 1e-3


def test_rectangles_follow_the_paper() -> None:
    random = np.random.default_rng(0)
    boxes = np.array([rectangle(100, 60, 0.75, random) for _ in range(2000)])
    heights, widths = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    assert heights.max() == 50  # sqrt(1 - share) = 1/2 of each side
    assert widths.max() == 30
    assert boxes.min() == 0
    assert boxes[:, 1].max() == 100
    inside = (boxes[:, 0] > 0) & (boxes[:, 1] < 100)
    assert (heights[inside] == 50).all()


def test_both_are_chosen_about_equally_often() -> None:
    given = batch(n=4)
    blends = 0
    for seed in range(300):
        out = mixed(PictureMixing(1.0, 1.0), seed, given)
        assert out.partners is not None
        own, other, found = given.inputs["image"], given.inputs["image"][out.partners], out.inputs["image"]
        blends += bool(((found != own) & (found != other)).any())
    assert 100 < blends < 190  # a partner that is the item itself shows neither


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.0, 0.0), (-1.0, 1.0)])
def test_alphas_without_sense_are_refused(mixup: float, cutmix: float) -> None:
    with pytest.raises(OptionError, match="alpha above 0"):
        PictureMixing(mixup, cutmix)
