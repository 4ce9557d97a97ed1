"""How unfamiliar an item is to the shipped model: the yardstick of its features, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keiki.core.random import Randomness
from keiki.data.task import Index, Items, TrainView
from keiki.engines.onnx import OnnxEngine
from keiki.evaluation.protocol import dependent
from keiki.evaluation.unfamiliar import Yardstick, cross_fitted, held_out
from keiki.methods.base import PREDICT_BATCH, Model
from keiki.nn.gaussians import Gaussians
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, is_sparse

FEWEST = 10  # independent items: with fewer, one in ten familiar items would be called unfamiliar
MOST_TUNED = 4000  # items that a tuned network looks at once more

Features = Callable[[Items], DenseFeatures]


@dataclass(frozen=True)
class Familiar:
    """The yardstick of a model, or the reason why there is none, as half a sentence."""

    yardstick: Yardstick | None
    why_not: str
    features: Features

    def distances(self, items: Items) -> FloatArray | None:
        """How far `items` lie from the training items, (n,)."""
        return None if self.yardstick is None else self.yardstick.distances(self.features(items))


def measured(model: Model, view: TrainView, graph: Path | None, threads: int) -> Familiar:
    """The yardstick of a model that was fitted on `view`; `graph` is its body, None where preparing gives features.

    Frozen features: threshold by cross-fitting over the view's first folds. A network that learned its features: by the
    items that stopped its training, the only ones that it did not learn from; if it was then trained once more on all,
    by what the first one made of them.
    """
    frozen: Features = model.features
    if model.network is not None and graph is not None:
        tuned = _tuned_features(model, OnnxEngine(graph, threads))
        return _of_network(model, view, tuned)
    if len(np.unique(view.groups)) < FEWEST:
        return Familiar(None, _too_few(len(np.unique(view.groups))), frozen)
    features = frozen(view.items)
    if is_sparse(features):
        return Familiar(None, "counts of words are too many to measure a distance between", frozen)
    unit = model.backbone.card.pretrained  # of others the columns mean something, each for itself
    found = cross_fitted(features, view.labels, view.folds[0], dependent(view.groups), unit=unit)
    return Familiar(found, "", frozen)


def _of_network(model: Model, view: TrainView, features: Features) -> Familiar:
    answered = model.out_of_fold
    held = np.zeros(len(view), dtype=np.bool_) if answered is None else np.asarray(np.isfinite(answered).all(axis=1))
    n = len(np.unique(view.groups[held]))
    if n < FEWEST or held.all():
        return Familiar(None, _too_few(n) if n < FEWEST else "no item was kept out of the network's training", features)
    rows = np.sort(np.concatenate([_some(np.flatnonzero(held)), _some(np.flatnonzero(~held))]))
    part = view.subset(rows)
    judged = features if model.rehearsal is None else _eager_features(model.rehearsal)
    found = held_out(judged(part.items), part.labels, held[rows], dependent(part.groups))
    if model.rehearsal is not None:  # what the model itself has learned from is what items are to be near to
        found = replace(found, gaussians=Gaussians.fit(features(part.items), part.labels, unit=True))
    return Familiar(found, "", features)


def _some(rows: Index) -> Index:
    """The rows, or evenly spaced ones where there are many."""
    most = MOST_TUNED // 2
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _tuned_features(model: Model, engine: OnnxEngine) -> Features:
    """Features (n, D) by the converted body, as the bundle will compute them."""

    def features(items: Items) -> npt.NDArray[np.float32]:
        feed = model.feed(items, np.zeros(len(items), dtype=np.int64), PREDICT_BATCH, shuffle=False, whole=True)
        batches = [(batch.positions, engine.run(batch.inputs)) for batch in feed.batches(0, Randomness(0))]
        out = np.empty((len(items), batches[0][1].shape[1]), dtype=np.float32)
        for positions, rows in batches:
            out[positions] = rows
        return out

    return features


def _eager_features(model: Model) -> Features:
    """Features (n, D) by the network itself, which was not converted."""
    from keiki.nn.network import feed_features

    def features(items: Items) -> DenseFeatures:
        feed = model.feed(items, np.zeros(len(items), dtype=np.int64), PREDICT_BATCH, shuffle=False)
        return feed_features(model.network, feed, len(items))

    return features


def _too_few(n: int) -> str:
    return f"{n} independent items are too few to say what is like them (it takes {FEWEST})"
