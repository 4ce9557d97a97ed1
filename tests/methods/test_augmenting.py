"""Options of augmentation: what fits is applied, what does not is refused, and 'auto' follows its written rule."""

from __future__ import annotations

from typing import Any, cast

import pytest

from keiki.core.errors import OptionError
from keiki.data.augment.mixing import PictureMixing
from keiki.data.augment.orientation import Flips
from keiki.data.augment.pictures import PictureAugment
from keiki.data.augment.words import WordAugment
from keiki.data.task import Modality
from keiki.data.transforms.constant import ConstantTransform
from keiki.data.transforms.image import ImageTransform
from keiki.methods.augmenting import LEVELS, Augmenting, AugmentOptions, augmenting, chosen_level
from keiki.testing.tiny import tiny_backbone

CLASSES = ("cat", "dog")
ALL = ("auto", "none", "light", "medium", "strong")


def made(
    modality: Modality = "image",
    *,
    classes: tuple[str, ...] = CLASSES,
    n: int = 100,
    flips: Flips | None = None,
    **set_to: Any,
) -> Augmenting:
    transform = ConstantTransform() if modality == "vector" else tiny_backbone(modality).transform
    return augmenting(AugmentOptions(**set_to), transform, modality, classes, n, flips)


def pictures(**options: Any) -> PictureAugment:
    return cast(PictureAugment, made(**options).augment)


def test_nothing_varies_unless_asked() -> None:
    for modality in ("image", "text", "vector"):
        parts = made(cast(Modality, modality))
        assert parts.augment is None
        assert parts.mixing is None
        assert parts.facts["level"] == "none"


def test_levels_grow() -> None:
    light, medium, strong = (pictures(augment=name) for name in ("light", "medium", "strong"))
    assert light.crop > medium.crop > strong.crop
    assert light.erasing < medium.erasing < strong.erasing
    assert [each.distortion for each in (light, medium, strong)] == ["none", "trivial", "rand"]
    assert all(each.flip for each in (light, medium, strong))
    words = [cast(WordAugment, made("text", augment=name).augment) for name in ("light", "medium", "strong")]
    assert [each.dropout for each in words] == sorted(each.dropout for each in words)
    assert [each.swap for each in words] == sorted(each.swap for each in words)


@pytest.mark.parametrize(
    ("n", "n_classes", "level", "mixup"),
    [(99, 2, "none", 0), (100, 2, "light", 0), (990, 100, "none", 0), (999, 2, "light", 0), (19_999, 2, "medium", 0),
     (20_000, 2, "medium", 0.1), (20_000, 300, "light", 0.1)],
)  # fmt: skip
def test_auto_follows_the_number_of_items(n: int, n_classes: int, level: str, mixup: float) -> None:
    name, chosen = chosen_level("auto", "image", n, n_classes)
    assert name == level
    assert chosen.mixup == mixup
    assert chosen.crop == LEVELS[level].crop
    assert chosen_level("auto", "text", n, n_classes) == ("none", LEVELS["none"])


def test_what_is_set_stands_whatever_the_level() -> None:
    parts = made(augment="auto", n=50_000, erasing=0.33, mixup=0.0, cutmix=0.7)
    assert cast(PictureAugment, parts.augment).erasing == 0.33
    assert parts.mixing == PictureMixing(0.0, 0.7)
    assert made(augment="strong", mixup=0.0).mixing is None
    assert cast(WordAugment, made("text", word_swap=0.3).augment).swap == 0.3
    assert made("text", augment="medium", token_dropout=0, word_swap=0).augment is None


def test_flips_alone_need_no_larger_source() -> None:
    alone = pictures(flip="horizontal")
    assert alone.flip
    assert alone.source == alone.transform
    assert pictures(augment="light").source.size > alone.transform.size


def test_flips_are_off_where_the_classes_are_told_by_their_sides() -> None:
    sided = pictures(augment="medium", classes=("left", "right"))
    assert not sided.flip
    assert sided.turn == 30
    assert pictures(augment="medium").turn == 135
    checked = made(augment="medium", flips=Flips(False, "mirror images look like other classes"))
    assert not cast(PictureAugment, checked.augment).flip
    assert checked.facts["flip_reason"] == "mirror images look like other classes"


def test_what_the_user_says_of_flips_stands() -> None:
    asked = made(augment="medium", flip="horizontal", classes=("left", "right"))
    assert cast(PictureAugment, asked.augment).flip
    assert "asked for" in asked.facts["flip_reason"]
    assert not pictures(augment="medium", flip="none").flip
    assert pictures(augment="medium", flip="none").turn == 30


@pytest.mark.parametrize(
    ("modality", "set_to"),
    [
        ("text", {"flip": "horizontal"}),
        ("text", {"erasing": 0.1}),
        ("text", {"mixup": 0.2}),
        ("text", {"cutmix": 1.0}),
        ("image", {"token_dropout": 0.1}),
        ("image", {"word_swap": 0.1}),
        ("vector", {"augment": "light"}),
        ("vector", {"mixup": 0.1}),
        ("vector", {"word_swap": 0.1}),
    ],
)
def test_what_cannot_act_is_refused_by_name(modality: Modality, set_to: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"Option '{next(iter(set_to))}' does nothing to"):
        made(modality, **set_to)


def test_what_was_set_to_nothing_is_no_wish() -> None:
    assert made("text", mixup=0.0, erasing=0, flip="none").augment is None
    assert made("vector", augment="auto").augment is None


def test_items_without_pixels_or_tokens_are_refused() -> None:
    for modality in ("image", "text"):
        with pytest.raises(OptionError, match="prepared as 'constant'"):
            augmenting(AugmentOptions(augment="light"), ConstantTransform(), cast(Modality, modality), CLASSES, 9)


@pytest.mark.parametrize("name", ["erasing", "mixup", "cutmix", "token_dropout", "word_swap"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), 101.0, "much"])
def test_values_without_sense_are_refused(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"Option '{name}' must be"):
        AugmentOptions(**{name: value})


def test_options_survive_the_command_line_and_json() -> None:
    config = AugmentOptions.parse(["augment=medium", "erasing=auto", "mixup=0.2", "flip=none"])
    assert config == AugmentOptions(augment="medium", mixup=0.2, flip="none")
    assert AugmentOptions.from_json(config.to_json()) == config


@pytest.mark.parametrize("level", ALL)
def test_every_level_makes_variants_that_fit_the_network(level: str) -> None:
    import numpy as np

    parts = made(augment=level)
    if parts.augment is None:
        assert level == "none"
        return
    transform = cast(ImageTransform, tiny_backbone("image").transform)
    size = cast(ImageTransform, parts.augment.source).size
    kept = np.zeros((size, size, 3), dtype=np.uint8)
    out = parts.augment.draw(kept, np.random.default_rng(0))
    assert transform.collate([out])["image"].shape == (1, 3, transform.size, transform.size)
