"""Colours and edges, no pretraining: the control that pictures have to beat."""

from __future__ import annotations

from collections.abc import Iterator

from keiki.backbones.base import Backbone, load
from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.linear_probe import solve_head


@METHODS.add("histogram-logistic")
class HistogramLogistic(Method):
    """Multinomial logistic regression on a colour histogram and histograms of oriented gradients (HOG).

    Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", CVPR; HOG by scikit-image.
    """

    name = "histogram-logistic"
    family = "control"
    paper = "Dalal and Triggs, CVPR 2005"
    title = "colour histogram + HOG + logistic regression"
    tags = frozenset({"control", "candidate"})
    modalities = frozenset({"image"})

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return load("histogram")

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("head", lambda: solve_head(model, view))
