"""The class shares alone: what one gets right without looking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.constant import Constant
from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.nn.linear import LinearHead


@METHODS.add("majority")
class Majority(Method):
    """Answers with the class shares of the training data, whatever the item.

    p(c) = (n_c + 1) / (N + C), Laplace's rule of succession, so that no class gets probability 0.
    Source: the null model of every textbook, e.g. Hastie et al. 2009, "The Elements of Statistical Learning", 7.10.2.
    """

    name = "majority"
    family = "control"
    paper = "Laplace 1814"
    title = "always the commonest class"
    tags = frozenset({"control", "null"})
    modalities = frozenset({"image", "text", "vector"})

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return Constant(chosen.card.modality)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("shares", lambda: _count(model, view))


def _count(model: Model, view: TrainView) -> None:
    counts = np.bincount(view.labels, minlength=view.n_classes) + 1.0
    bias = np.log(counts / counts.sum())
    model.head = LinearHead(np.zeros((view.n_classes, 1)), bias)
    model.out_of_fold = np.tile(bias, (len(view), 1))
