"""What the methods share that train a small change of each weight and merge it in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from keiki.data.task import TrainView
from keiki.methods.base import Model, Phase, Solve
from keiki.methods.tuning import Tuning, start, tune, validate

if TYPE_CHECKING:
    from torch import nn


class MergedTuning(Tuning):
    """Parent of the methods whose `build` puts changes on weights: probe, descent of the changes, merging.

    What ships has the names, the size and the speed of the plain network.
    """

    family = "parameter-efficient"

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, moves=_is_change)
        yield Solve("merge", lambda: _merge(model))
        yield validate(model, view, self.config)


def _is_change(name: str, owner: nn.Module) -> bool:
    from keiki.nn.weight_changes import WeightChange

    return isinstance(owner, WeightChange)


def _merge(model: Model) -> None:
    """Merge, and say so: a resumed run has to merge its freshly built network before it can take over the weights.

    What has moved is told by the names that the weights have from now on.
    """
    from keiki.nn.weight_changes import merge, plain_name

    merge(model.network)
    model.facts["merged"] = True
    model.facts["moved"] = sorted({plain_name(name) for name in model.facts["moved"]})
