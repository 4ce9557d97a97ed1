"""How training items vary: the options, the rule by the size of the data, and what is made of them for a feed.

    parts = augmenting(config, transform, modality, classes, n, flips_of(model))
    model.feed(items, labels, batch_size, augment=parts.augment, mixing=parts.mixing)

The rule of `augment=auto`, for n training items of C classes:

    texts               none. Dropping and swapping words does not reliably help pretrained transformers, few labels or
                        many: Longpre et al. 2020, arXiv:2010.01764.
    pictures, n/C < 50  none. Few pictures mean few steps, and distortions want more of them than are made: at 20 a
                        class even crops that lose no detail cost 1 to 5 points (docs/log.md).
    pictures, n/C < 500 light: crops that lose no detail, and flips.
    pictures, else      medium: smaller crops, TrivialAugment, now and then a rectangle erased.
    n >= 20,000         also MixUp with alpha 0.1, as in BiT-HyperRule, which mixes from 20,000 items on and not below:
                        Kolesnikov et al. 2020, arXiv:1912.11370, section 3.3.

'strong' is never chosen: it is for long training from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from keiki.core import options
from keiki.core.errors import OptionError
from keiki.core.options import OneOf, option
from keiki.data.augment.base import Augment, Mixing
from keiki.data.augment.mixing import PictureMixing
from keiki.data.augment.orientation import Flips, by_names
from keiki.data.augment.pictures import LOSSLESS, Distortion, PictureAugment
from keiki.data.augment.words import WordAugment
from keiki.data.task import Modality
from keiki.data.transforms.base import Transform
from keiki.data.transforms.image import ImageTransform
from keiki.data.transforms.text import TokenTransform
from keiki.methods.limits import refuse_outside

Auto = Literal["auto"]
FEW, SOME = 50, 500  # pictures a class, below which they are not varied, and only lightly
MIXED_FROM = 20_000  # items
UPRIGHT_TURN = 30.0  # degrees, where a flip would change the class: RandAugment's most, and far from a quarter turn
_PICTURE_OPTIONS = ("erasing", "mixup", "cutmix")
_TEXT_OPTIONS = ("token_dropout", "word_swap")


@dataclass(frozen=True, kw_only=True)
class AugmentOptions(options.Config):
    """How training items vary from epoch to epoch; 'auto' follows the level, and the level may follow the data."""

    augment: Literal["auto", "none", "light", "medium", "strong"] = option(
        "none", "how strongly training items vary: a level, or auto by the number of items a class"
    )
    flip: Literal["auto", "none", "horizontal"] = option(
        "auto", "pictures: mirror half of them; auto: unless the classes are told by their sides"
    )
    erasing: float | Auto = option(
        "auto", "pictures: share from which a rectangle is erased", search=OneOf(("auto", 0.0, 0.1, 0.25))
    )
    mixup: float | Auto = option(
        "auto", "pictures: alpha of MixUp, which blends two of a batch; 0: none", search=OneOf(("auto", 0.0, 0.1, 0.4))
    )
    cutmix: float | Auto = option(
        "auto", "pictures: alpha of CutMix, a part of one put into another; 0: none", search=OneOf(("auto", 0.0, 1.0))
    )
    token_dropout: float | Auto = option(
        "auto", "texts: share of the tokens that are left out", search=OneOf(("auto", 0.0, 0.05, 0.1))
    )
    word_swap: float | Auto = option(
        "auto", "texts: pairs of words that change places, as a share of the words", search=OneOf(("auto", 0.0, 0.05))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (*_PICTURE_OPTIONS, *_TEXT_OPTIONS):
            if getattr(self, name) != "auto":
                refuse_outside(self, name, 0, 100 if name in ("mixup", "cutmix") else 0.9)


@dataclass(frozen=True)
class Level:
    """What a level does to pictures (`PictureAugment`, `PictureMixing`) and to texts (`WordAugment`)."""

    crop: float = 1.0
    flip: bool = True
    distortion: Distortion = "none"
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    token_dropout: float = 0.0
    word_swap: float = 0.0


LEVELS = {
    "none": Level(flip=False),
    "light": Level(crop=LOSSLESS, token_dropout=0.05),
    "medium": Level(crop=0.4, distortion="trivial", erasing=0.1, token_dropout=0.05, word_swap=0.05),
    "strong": Level(crop=0.25, distortion="rand", erasing=0.25, mixup=0.1, token_dropout=0.1, word_swap=0.1),
}


@dataclass(frozen=True)
class Augmenting:
    """What a feed is given, and as JSON values what was chosen and why."""

    augment: Augment | None
    mixing: Mixing | None
    facts: dict[str, Any]


def augmenting(
    config: AugmentOptions,
    transform: Transform,
    modality: Modality,
    classes: Sequence[str],
    n: int,
    flips: Flips | None = None,
) -> Augmenting:
    """What the options mean for n training items that `transform` prepares.

    flips: what is known of mirror images besides the names of the classes. Raises OptionError where an option was set
    that says nothing about items of this modality.
    """
    refuse_unfitting(config, modality)
    name, level = chosen_level(config.augment, modality, n, len(classes))
    numbers = {each: getattr(config, each) for each in (*_PICTURE_OPTIONS, *_TEXT_OPTIONS)}
    level = replace(level, **{each: value for each, value in numbers.items() if value != "auto"})
    if modality == "image":
        return _of_pictures(config, name, level, transform, flips or by_names(classes))
    return _of_texts(name, level, transform) if modality == "text" else Augmenting(None, None, {"level": "none"})


def chosen_level(wanted: str, modality: Modality, n: int, n_classes: int) -> tuple[str, Level]:
    """The level by name and what it does; 'auto' by the rule above.

    >>> [chosen_level("auto", "image", n, 10)[0] for n in (499, 500, 20_000)], chosen_level("auto", "text", 500, 2)[0]
    (['none', 'light', 'medium'], 'none')
    """
    if wanted != "auto":
        return wanted, LEVELS[wanted]
    if modality != "image":
        return "none", LEVELS["none"]
    name = "none" if n < FEW * n_classes else "light" if n < SOME * n_classes else "medium"
    return name, replace(LEVELS[name], mixup=0.1 if n >= MIXED_FROM else 0.0)


def refuse_unfitting(config: AugmentOptions, modality: Modality) -> None:
    """Raise OptionError where an option was set that cannot act on items of this modality."""
    foreign = {"image": _TEXT_OPTIONS, "text": _PICTURE_OPTIONS}.get(modality, (*_PICTURE_OPTIONS, *_TEXT_OPTIONS))
    wrong = [name for name in foreign if getattr(config, name) not in ("auto", 0)]
    if modality != "image" and config.flip == "horizontal":
        wrong.append("flip")
    if modality == "vector" and config.augment not in ("auto", "none"):
        wrong.append("augment")
    if wrong:
        items = {"image": "pictures", "text": "texts"}.get(modality, "rows of numbers")
        raise OptionError(
            f"Option '{wrong[0]}' does nothing to {items}, but was set to {getattr(config, wrong[0])}.",
            hint=f"Leave it out: --set {wrong[0]}=... is for {'texts' if wrong[0] in _TEXT_OPTIONS else 'pictures'}.",
        )


def _of_pictures(config: AugmentOptions, name: str, level: Level, transform: Transform, flips: Flips) -> Augmenting:
    flip = config.flip == "horizontal" or (config.flip == "auto" and level.flip and flips.allowed)
    mixing = PictureMixing(level.mixup, level.cutmix) if level.mixup or level.cutmix else None
    facts = {"level": name, "mixup": level.mixup, "cutmix": level.cutmix, "flip": flip, "flip_reason": flips.reason}
    if config.flip != "auto":
        facts["flip_reason"] = f"asked for: flip={config.flip}"
    if level.crop == 1 and level.distortion == "none" and not (flip or level.erasing):
        return Augmenting(None, mixing, facts)
    if not isinstance(transform, ImageTransform):
        raise OptionError(
            f"Pictures that are prepared as '{transform.kind}' cannot be varied.", hint="Use --set augment=none."
        )
    turn = 135.0 if flip else UPRIGHT_TURN
    made = PictureAugment(transform, level.crop, flip, level.distortion, turn, level.erasing)
    return Augmenting(
        made, mixing, facts | {"crop": level.crop, "erasing": level.erasing, "distortion": level.distortion}
    )


def _of_texts(name: str, level: Level, transform: Transform) -> Augmenting:
    facts = {"level": name, "token_dropout": level.token_dropout, "word_swap": level.word_swap}
    if not (level.token_dropout or level.word_swap):
        return Augmenting(None, None, facts)
    if not isinstance(transform, TokenTransform):
        raise OptionError(
            f"Texts that are prepared as '{transform.kind}' have no tokens to vary.", hint="Use --set augment=none."
        )
    return Augmenting(WordAugment(transform, level.token_dropout, level.word_swap), None, facts)
