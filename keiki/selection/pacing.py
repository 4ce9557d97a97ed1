"""Which way of computing a training step is the fastest here: measured by two timed steps, where it is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import Descend, Method, Model

if TYPE_CHECKING:
    from keiki.training.pace import Pace

WORTH = 30.0  # seconds of training, below which looking for a faster way costs more than it brings


def fastest_pace(method: Method, backbone: Backbone, view: TrainView, bank: FeatureBank, plain: Pace) -> Pace:
    """`plain`, or a way of computing steps that two timed steps on throw-away networks show to be faster.

    Steps that begin at a kept boundary are not timed: there is little to gain.
    """
    from keiki.training.descent import Descent
    from keiki.training.pace import fastest

    def seconds(pace: Pace) -> float:
        model = method.build(backbone, view.target, bank)
        return Descent(first_descent(method, model, view), model.network, Randomness(0), pace).seconds_a_step()

    model = method.build(backbone, view.target, bank)
    phase = first_descent(method, model, view)
    if model.boundary is not None:
        return plain
    return fastest(plain, seconds, has_maps=backbone.card.modality == "image", worth=WORTH / phase.steps)


def first_descent(method: Method, model: Model, view: TrainView) -> Descend:
    """The first descent of a method on a model; nothing is run."""
    return next(phase for phase in method.phases(model, view) if isinstance(phase, Descend))
