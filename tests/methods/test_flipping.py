"""Flips are found harmful where a mirror image is of another class, and harmless where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.stats import ttest_1samp

from keiki.core.files import sha256_bytes
from keiki.data.augment.orientation import Flips
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items, TrainView
from keiki.methods.augmenting import AugmentOptions
from keiki.methods.base import Model, make
from keiki.methods.flipping import Mirrored, by_features, chance, check_flips, flips_of, may_be_mirrored
from keiki.testing.playground import Playground, playground
from keiki.testing.tiny import TinyVision

CLASSES = ("a thing", "another", "a third", "a fourth")


def features(
    n: int = 120, sides: int = 2, n_classes: int = 4, noise: float = 0.5, seed: int = 0, width: int = 12
) -> tuple[Any, ...]:
    """Classes at random points; the first `sides` classes are the mirror images of each other, in pairs."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, width))
    mirrors = centres.copy()
    for at in range(0, sides, 2):
        mirrors[[at, at + 1]] = centres[[at + 1, at]]
    labels = np.arange(n) % n_classes
    folds = rng.permutation(np.arange(n) % 5)
    plain = centres[labels] + noise * rng.normal(size=(n, width))
    mirrored = mirrors[labels] + noise * rng.normal(size=(n, width))
    return plain, mirrored, labels.astype(np.int64), folds


def names(n: int) -> tuple[str, ...]:
    return tuple(f"thing {i}" for i in range(n))


@pytest.mark.parametrize("n", [48, 120, 400])
def test_mirror_images_of_another_class_are_found(n: int) -> None:
    assert by_features(*features(n, sides=0), CLASSES).allowed
    found = by_features(*features(n, sides=2), CLASSES)
    assert not found.allowed
    assert "times as large" in found.reason


def test_one_pair_among_many_classes_is_found() -> None:
    found = by_features(*features(600, sides=2, n_classes=20, noise=0.3, width=40), names(20))
    assert not found.allowed
    assert by_features(*features(600, sides=0, n_classes=20, noise=0.3, width=40), names(20)).allowed


def test_harmless_flips_are_seldom_called_harmful() -> None:
    wrong = sum(not by_features(*features(80, sides=0, noise=2.0, seed=seed), CLASSES).allowed for seed in range(120))
    assert wrong <= 12  # 5 % in all: 6 of 120, and more than 12 in 1 of 200 such tests


def test_noise_has_no_side() -> None:
    wrong = 0
    for seed in range(60):
        plain, mirrored, labels, folds = features(60, sides=0, noise=1.0, seed=seed)
        labels = np.random.default_rng(seed).permutation(labels)
        wrong += not by_features(plain, mirrored, labels, folds, CLASSES).allowed
    assert wrong <= 8


def test_the_chance_is_students_and_copies_do_not_count() -> None:
    differences = np.random.default_rng(0).normal(0.6, 1, size=15)
    expected = ttest_1samp(differences, 0, alternative="greater").pvalue
    assert chance(differences, np.arange(15)) == pytest.approx(expected)
    assert chance(np.repeat(differences, 20), np.repeat(np.arange(15), 20)) == pytest.approx(expected)
    assert chance(np.repeat(differences, 20), np.arange(300)) < expected
    assert chance(differences, np.zeros(15, dtype=np.int64)) == 1


def test_one_fold_leaves_it_to_the_names() -> None:
    plain, mirrored, labels, folds = features(20)
    found = by_features(plain, mirrored, labels, np.zeros_like(folds), CLASSES)
    assert found == Flips(True, "too few pictures to check what mirroring does")


# Real pictures, through a network: arrows whose classes have names that tell nothing.


def arrow(path: Path, points_left: bool, rng: np.random.Generator) -> Path:
    """Red on the side that it points to, blue on the other: what a tiny network can tell."""
    picture = Image.new("RGB", (48, 40), (int(rng.integers(60)),) * 3)
    draw, up = ImageDraw.Draw(picture), int(rng.integers(5, 15))
    draw.rectangle((6, up, 42, up + 14), fill=(30, 30, 220))
    draw.polygon([(2, up + 7), (22, up - 5), (22, up + 19)], fill=(220, 40, 30))
    if not points_left:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.save(path)
    return path


class Halves(TinyVision):
    """Features that know left from right: the mean colour of each half of the picture."""

    def __init__(self) -> None:
        super().__init__()
        from dataclasses import replace

        self.card = replace(self.card, name="halves", width=6, digest="1" * 64)

    def module(self) -> Any:
        import torch

        class Means(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = torch.nn.Parameter(torch.ones(1))

            def forward(self, image: torch.Tensor) -> torch.Tensor:
                halves = [image[..., :16].mean(dim=(2, 3)), image[..., 16:].mean(dim=(2, 3))]
                return self.scale * torch.cat(halves, dim=1)

        return Means().eval()


def arrows(folder: Path, classes: tuple[str, str], sided: bool) -> tuple[Playground, TrainView]:
    rng = np.random.default_rng(0)
    folder.mkdir()
    paths = [arrow(folder / f"{i}.png", bool(i % 2) if sided else bool(rng.integers(2)), rng) for i in range(60)]
    if not sided:  # a class that mirroring leaves alone: how bright it is
        for i in range(1, 60, 2):
            Image.eval(Image.open(paths[i]), lambda value: value // 3).save(paths[i])
    ids = tuple(path.name for path in paths)
    items = Items("image", ids, tuple(paths), tuple(sha256_bytes(path.read_bytes()) for path in paths))
    labels = tuple(classes[i % 2] for i in range(60))
    task = make_task(Dataset("arrows", items, labels, ("train",) * 60), val=None, test=None, seed=0)
    ground = playground("image", folder)
    made = Playground(task, Halves(), ground.cache, ground.plan, folder)
    return made, task.training_view()


def checked(ground: Playground, view: TrainView) -> Model:
    method = make("linear-probe")
    model = method.build(ground.backbone, ground.task.target, ground.bank())
    assert flips_of(model) is None
    check_flips(model, view)
    return model


def test_arrows_that_differ_by_their_side_are_found_by_their_features(tmp_path: Path) -> None:
    ground, view = arrows(tmp_path / "sided", ("ahoy", "belay"), sided=True)
    found = flips_of(checked(ground, view))
    assert found is not None
    assert not found.allowed
    assert "error" in found.reason


def test_arrows_that_differ_by_their_brightness_may_be_mirrored(tmp_path: Path) -> None:
    ground, view = arrows(tmp_path / "bright", ("dim", "clear"), sided=False)
    found = flips_of(checked(ground, view))
    assert found == Flips(True, "learning from mirror images does not make a linear head worse")


def test_names_that_tell_need_no_pictures(tmp_path: Path) -> None:
    ground, view = arrows(tmp_path / "named", ("left", "right"), sided=True)
    model = checked(ground, view)
    assert model.facts["flips"] == {"allowed": False, "reason": "the class 'left' is told by its side"}


def test_a_bundle_is_told_what_the_user_said_or_what_was_found(tmp_path: Path) -> None:
    ground, view = arrows(tmp_path / "told", ("left", "right"), sided=True)
    model = make("linear-probe").build(ground.backbone, ground.task.target, ground.bank())
    assert may_be_mirrored(model, AugmentOptions()) is None
    check_flips(model, view)
    assert may_be_mirrored(model, AugmentOptions()) is False
    assert may_be_mirrored(model, make("linear-probe").config) is False
    assert may_be_mirrored(model, AugmentOptions(flip="horizontal")) is True
    assert may_be_mirrored(model, AugmentOptions(flip="none")) is False


def test_mirrored_features_are_those_of_mirrored_files(tmp_path: Path) -> None:
    ground, view = arrows(tmp_path / "files", ("ahoy", "belay"), sided=True)
    folder = tmp_path / "turned"
    folder.mkdir()
    for raw in view.items.raws:
        Image.open(str(raw)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / Path(str(raw)).name)
    turned = tuple(folder / Path(str(raw)).name for raw in view.items.raws)
    items = Items("image", view.items.ids, turned, tuple(sha256_bytes(path.read_bytes()) for path in turned))
    bank = ground.bank()
    bank.register(items)
    transform = ground.backbone.transform
    mirrored = bank.extract(Mirrored(ground.backbone, transform), view.items)  # type: ignore[arg-type]
    np.testing.assert_allclose(mirrored, bank.extract(ground.backbone, items), atol=1e-6)
