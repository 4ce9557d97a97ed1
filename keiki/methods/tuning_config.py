"""The options that all fine-tuning methods share, and what makes no sense among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keiki.core import options
from keiki.core.errors import OptionError
from keiki.core.options import Linear, Log, OneOf, option
from keiki.methods.augmenting import AugmentOptions, Auto
from keiki.methods.base import Schedule
from keiki.methods.limits import refuse_outside
from keiki.methods.loss_options import HeadOptions, LossOptions

Start = Literal["probe", "zeros"]
SCHEDULES = ("cosine", "linear", "one-cycle", "step", "plateau", "constant")


@dataclass(frozen=True, kw_only=True)
class TuningConfig(HeadOptions, LossOptions, AugmentOptions, options.Config):
    """What the gradient methods share; 'auto' follows the recipe (`keiki.methods.recipe`)."""

    epochs: int | Auto = option(10, "passes over the training items, at most", search=Linear(1, 50))
    learning_rate: float | Auto = option(
        "auto", "peak rate of the pretrained weights nearest to the head (AdamW)", search=Log(1e-6, 1e-2)
    )
    head_rate: float | Auto = option(
        "auto", "peak rate of the head; auto: by how large the features are", search=Log(1e-5, 1e-1)
    )
    weight_decay: float = option(0.01, "decoupled weight decay", search=Log(1e-6, 1.0))
    batch_size: int | Auto = option(32, "items a step", search=Linear(2, 256))
    schedule: Schedule = option("cosine", "how the rates go from their peak", search=OneOf(SCHEDULES))
    warmup_ratio: float = option(0.1, "share of the steps in which the rate rises from 0", search=Linear(0.0, 0.5))
    patience: int | Auto = option(
        "auto",
        "epochs without a better validation loss before it stops; auto: all there are; 3 with unfreeze=stall",
        search=Linear(1, 50),
    )
    pieces: int = option(1, "parts that a batch is computed in, whose gradients add up: less memory, the same step")
    clip_norm: float = option(1.0, "largest norm of the gradient; 0 does not clip", search=Linear(0.0, 10.0))
    ema: float = option(0.0, "decay of a running mean of the weights, which is kept instead; 0: none")
    label_smoothing: float | Auto = option(
        "auto",
        "share of the target that is spread over all classes; auto: 0.1 without a focal loss",
        search=Linear(0, 0.5),
    )
    start: Start = option("probe", "head to start from: a linear probe solved on the frozen features, or zeros")
    freeze: str = option("none", "stages that stay still: none, the first k, all but the last k as -k, or up to NAME")
    layer_decay: float = option(1.0, "rate of a stage over that of the stage after it", search=Linear(0.3, 1.0))
    unfreeze: Literal["at once", "epoch", "stall"] = option(
        "at once", "when stages begin to move: at once, one more an epoch, or one more when validation stalls"
    )
    head_epochs: int = option(
        0, "epochs in which only the head moves; with unfreeze=stall, stalls of validation", search=Linear(0, 10)
    )
    batch_norm: Literal["still", "moving"] = option("still", "whether statistics of moving BatchNorms stand still")
    boundary: Literal["auto", "off"] = option(
        "auto", "whether what frozen stages answer is kept on disk, so that only the stages above them are computed"
    )
    boundary_gib: float = option(4.0, "GiB of disk that kept answers may take; beyond it they are computed every time")
    variants: int = option(4, "augmented variants of an item that are kept where its answers are", search=Linear(0, 16))
    hold_back: Literal["fold", "nothing"] = option(
        "fold", "what training is stopped by: a fold kept apart; with nothing, all items are learned from", inner=True
    )
    until: int | None = option(
        None, "epochs after which it ends, on the schedule of all `epochs`; none: all of them", inner=True
    )
    refit: Literal["auto", "yes", "no"] = option(
        "auto", "whether it is trained once more on all items, up to the epoch that was kept; auto: below 2,000 items"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "batch_size", "patience"):
            _refuse_unless_auto(self, name, 1)
        for name in ("learning_rate", "head_rate"):
            _refuse_unless_auto(self, name, 0, above=True)
        for name in ("weight_decay", "clip_norm", "head_epochs", "boundary_gib", "variants"):
            refuse_outside(self, name, 0)
        if self.until is not None:
            refuse_outside(self, "until", 0)
        for name in ("warmup_ratio", "ema"):
            refuse_outside(self, name, 0, 1)
        refuse_outside(self, "layer_decay", 0, 1, above=True)
        refuse_outside(self, "pieces", 1)
        if self.hold_back == "nothing" and steered(self):
            raise OptionError(
                "Options unfreeze=stall and schedule=plateau go by a fold that is kept apart, but hold_back=nothing.",
                hint="Leave hold_back=fold, or choose another schedule.",
            )


def steered(config: TuningConfig) -> bool:
    """Whether validation decides on the way what moves, or how fast."""
    return config.unfreeze == "stall" or config.schedule == "plateau"


def _refuse_unless_auto(config: options.Config, name: str, low: float, *, above: bool = False) -> None:
    if getattr(config, name) != "auto":
        refuse_outside(config, name, low, above=above)
