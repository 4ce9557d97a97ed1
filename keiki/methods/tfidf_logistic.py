"""Words and characters counted, no pretraining: the control that texts have to beat."""

from __future__ import annotations

from collections.abc import Iterator

from keiki.backbones.base import Backbone, load
from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, Solve
from keiki.methods.linear_probe import solve_head


@METHODS.add("tfidf-logistic")
class TfidfLogistic(Method):
    """Multinomial logistic regression on TF-IDF of word 1-2-grams and character 2-5-grams.

    The vocabulary comes from the training texts alone. Source: Wang and Manning 2012, "Baselines and Bigrams: Simple,
    Good Sentiment and Topic Classification", ACL (strong n-gram baselines). Deviation: TF-IDF instead of NB ratios.
    """

    name = "tfidf-logistic"
    family = "control"
    paper = "Wang and Manning, ACL 2012"
    title = "TF-IDF + logistic regression"
    tags = frozenset({"control", "candidate"})
    modalities = frozenset({"text"})

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return load("tfidf")

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield Solve("vocabulary", lambda: _read(model, view))
        yield Solve("head", lambda: solve_head(model, view))


def _read(model: Model, view: TrainView) -> None:
    model.backbone = model.backbone.fitted(view.items.raws)
    model.transform_name = next(iter(model.backbone.transforms()))
