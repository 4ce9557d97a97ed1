"""The probe on the same architecture with random weights: what pretraining adds beyond the architecture."""

from __future__ import annotations

from collections.abc import Iterator

from keiki.backbones.base import Backbone
from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.linear_probe import solve_head


@METHODS.add("random-probe")
class RandomProbe(Method):
    """A linear probe on the randomly initialised backbone, on at most 2,000 training items.

    The initialisation is the same in every run, whatever the seed, so that its features are computed once.
    Source: Saxe et al. 2011, "On Random Weights and Unsupervised Feature Learning", ICML.
    """

    name = "random-probe"
    family = "control"
    paper = "Saxe et al., ICML 2011"
    title = "same network, random weights"
    tags = frozenset({"control"})
    modalities = frozenset({"image"})
    max_items = 2000

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return chosen.randomised(0)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("head", lambda: solve_head(model, view))
