"""Options of the head and of the loss, which fine-tuning methods share, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from keiki.core import options
from keiki.core.errors import OptionError
from keiki.core.options import Linear, Log, OneOf, option
from keiki.data.task import Index
from keiki.methods.augmenting import Auto
from keiki.methods.balancing import Balance, Wanted, decide
from keiki.methods.limits import refuse_outside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keiki.nn.heads import Shape
    from keiki.nn.losses import ItemLoss

MOST_DROPPED = 0.95  # of what the last layer sees; with nothing left there is nothing to learn


@dataclass(frozen=True, kw_only=True)
class HeadOptions(options.Config):
    """What stands on the body: see `keiki.nn.heads`."""

    head: Literal["linear", "cosine", "mlp"] = option(
        "linear",
        "what stands on the features: linear; cosine, which compares directions only; mlp, with a hidden layer",
        search=OneOf(("linear", "cosine", "mlp")),
    )
    hidden: int = option(256, "units of the hidden layer of an mlp head", search=Log(16, 2048))
    head_dropout: float = option(
        0.0, "share of what the last layer sees that is left out in training", search=Linear(0.0, 0.8)
    )
    cosine_scale: float | Literal["learned"] = option(
        "learned", "what the cosines of a cosine head are multiplied by: learned, or a number above 0"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_outside(self, "hidden", 1)
        refuse_outside(self, "head_dropout", 0, MOST_DROPPED)
        if self.cosine_scale != "learned":
            refuse_outside(self, "cosine_scale", 0, above=True)


@dataclass(frozen=True, kw_only=True)
class LossOptions(options.Config):
    """What is minimised, and how classes of unlike size are met: see `keiki.nn.losses`, `keiki.methods.balancing`."""

    label_smoothing: float | Auto = option(
        0.0, "share of the target that is spread over all classes", search=Linear(0.0, 0.5)
    )
    focal_gamma: float = option(
        0.0, "power by which the focal loss makes light of what is right already; 0: cross-entropy", search=Linear(0, 5)
    )
    balance: Wanted = option(
        "none",
        "what is done about classes of unlike size: none, weights or logit-adjustment in the loss, a sampler, or auto",
        search=OneOf(("none", "weights", "sampler", "logit-adjustment", "auto")),
    )
    balance_beta: float = option(
        1.0, "of weights and sampler: 1 by inverse frequency, below 1 by effective numbers of items, 0 all alike"
    )
    balance_tau: float = option(1.0, "strength of the logit adjustment", search=Linear(0.0, 2.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_outside(self, "balance_beta", 0, 1)
        for name in ("focal_gamma", "balance_tau"):
            refuse_outside(self, name, 0)
        if self.label_smoothing == "auto":
            return
        refuse_outside(self, "label_smoothing", 0, 1)
        if self.focal_gamma and self.label_smoothing:
            raise OptionError(
                "Options 'focal_gamma' and 'label_smoothing' do not go together: each changes what being sure costs.",
                hint="Leave one of them at 0.",
            )


def head_shape(config: HeadOptions) -> Shape:
    """How the head is built."""
    from keiki.nn.heads import Shape

    scale = None if config.cosine_scale == "learned" else float(config.cosine_scale)
    return Shape(config.head, config.hidden, config.head_dropout, scale)


def balance_of(config: LossOptions, labels: Index, classes: Sequence[str]) -> Balance:
    """How the classes are balanced; labels (N,) of the items that are learned from."""
    return decide(config.balance, labels, classes, beta=config.balance_beta, tau=config.balance_tau)


def item_loss(config: LossOptions, balance: Balance) -> ItemLoss:
    """The loss of each item."""
    from keiki.nn.losses import ItemLoss

    return ItemLoss(float(config.label_smoothing), config.focal_gamma, balance.weights, balance.shift)
