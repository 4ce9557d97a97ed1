"""Which way of preparing items: ranked by ridge regression on the features of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keiki.nn.ridge import ridge_path
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures, IntArray

PENALTIES = np.logspace(1, -3, 9)  # of standardised features, relative to a mean square of 1


@dataclass(frozen=True)
class Ranking:
    """The chosen view, and for each view its out-of-fold squared error and its paired gain over the default."""

    chosen: str
    squared_error: dict[str, float]
    gain: dict[str, float]
    standard_error: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "chosen": self.chosen,
            "squared_error": self.squared_error,
            "gain": self.gain,
            "standard_error": self.standard_error,
        }


def best_view(features: Mapping[str, DenseFeatures], labels: IntArray, n_classes: int, fold_ids: IntArray) -> Ranking:
    """The view with the least out-of-fold squared error of one-hot targets, if it beats the first by more than one
    standard error of the paired difference; else the first, which is the default.

    features: (N, D) of the same items by view; labels (N,); fold_ids (N,).

    >>> labels = np.arange(40) % 2
    >>> signal, noise = labels[:, None] * 1.0, np.sin(np.arange(40.0) ** 2)[:, None]
    >>> best_view({"squash": noise, "crop": signal}, labels, 2, np.arange(40) // 2 % 4).chosen
    'crop'
    """
    targets = np.eye(n_classes)[labels]
    errors = {name: _errors(rows, targets, fold_ids) for name, rows in features.items()}
    default = next(iter(errors))
    gains = {name: errors[default] - error for name, error in errors.items()}
    gain = {name: float(each.mean()) for name, each in gains.items()}
    error = {name: float(each.std(ddof=1) / np.sqrt(len(each))) for name, each in gains.items()}
    best = max(gain, key=lambda name: gain[name])
    chosen = best if gain[best] > error[best] else default
    return Ranking(chosen, {name: float(each.mean()) for name, each in errors.items()}, gain, error)


def _errors(rows: DenseFeatures, targets: FloatArray, fold_ids: IntArray) -> FloatArray:
    """Squared error of each item (N,) at the best penalty."""
    path = ridge_path(rows, targets, PENALTIES * rows.shape[1], fold_ids)
    best = int(np.flatnonzero(path.penalties == path.best)[0])
    return np.asarray(np.square(path.scores[best] - targets).sum(axis=1))
