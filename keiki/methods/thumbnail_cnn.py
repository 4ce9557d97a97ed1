"""A small network trained from scratch on thumbnails: what these pictures teach without any transfer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keiki.backbones.base import Backbone, load
from keiki.backbones.features import FeatureBank
from keiki.backbones.pixels import SIDE
from keiki.core import options
from keiki.core.options import Linear, Log, option
from keiki.core.random import Randomness
from keiki.data.array_feed import ArrayFeed
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Descend, Group, Method, Model, Move, Phase
from keiki.methods.limits import refuse_outside
from keiki.methods.tuning import with_network

FEWEST, MOST = 240, 2000  # steps


@METHODS.add("thumbnail-cnn")
class ThumbnailCnn(Method):
    """`small-cnn` (three convolutions, 24-pixel thumbnails) trained from scratch for a number of steps fixed by N.

    steps = clip(N / 4, 240, 2000) at a constant rate. A control: if its training loss has not flattened by then, the
    report calls it weak and the verdict leaves it out.
    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", Proc. IEEE.
    """

    name = "thumbnail-cnn"
    family = "control"
    paper = "LeCun et al., Proc. IEEE 1998"
    title = "small network from scratch (24-pixel thumbnails)"
    tags = frozenset({"control"})
    modalities = frozenset({"image"})
    gradient = True
    threads = 1

    @dataclass(frozen=True, kw_only=True)
    class Config(options.Config):
        learning_rate: float = option(2e-3, "rate of AdamW, constant after the warm-up", search=Log(1e-4, 1e-1))
        batch_size: int = option(32, "items a step", search=Linear(8, 256))

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "learning_rate", 0, above=True)
            refuse_outside(self, "batch_size", 1)

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return load("small-cnn").randomised(random.number("thumbnail-cnn"))

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return with_network(super().build(backbone, target, bank))

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        from keiki.nn.network import task_loss

        feed = ArrayFeed(lambda: {"image": _pixels(model, view)}, view.labels, self.config.batch_size)
        group = Group(list(model.network.parameters()), self.config.learning_rate, weight_decay=0.05)
        yield Descend(
            "from scratch",
            moves=[Move(task_loss(model.network), [group])],
            epochs=max(1, round(float(np.clip(len(view) / 4, FEWEST, MOST)) / feed.steps)),
            feed=feed,
            schedule="constant",
        )


def _pixels(model: Model, view: TrainView) -> npt.NDArray[np.float32]:
    flat = model.features(view.items)  # (N, 3 * side * side)
    return np.asarray(flat, dtype=np.float32).reshape(len(view), 3, SIDE, SIDE)
