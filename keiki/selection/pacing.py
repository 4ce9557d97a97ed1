"""The first descent of a method: what its cost is estimated by."""

from __future__ import annotations

from keiki.data.task import TrainView
from keiki.methods.base import Descend, Method, Model


def first_descent(method: Method, model: Model, view: TrainView) -> Descend:
    """The first descent of a method on a model; nothing is run."""
    return next(phase for phase in method.phases(model, view) if isinstance(phase, Descend))
