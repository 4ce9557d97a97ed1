"""Labels that are probably wrong, by confident learning on out-of-fold probabilities.

The probabilities must come from models that had not seen the item; of test items nothing is asked.
Source: Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
arXiv:1911.00068, as cleanlab implements it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import Floats, Labels, Probabilities, checked

SUPPORT = 0.03  # of the given label; at 0.1 half of what is listed is sound, on real sets with 5 % of wrong labels

Index = NDArray[np.int64]


def label_quality(labels: Labels, probabilities: Probabilities) -> Floats:
    """How much the probabilities (N, C) support each given label (N,): 0 to 1, the less the more doubtful.

    >>> label_quality(np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]])).tolist()
    [0.9, 0.2]
    """
    from cleanlab.rank import get_label_quality_scores

    labels, scores = checked(labels, probabilities)
    quality: Floats = get_label_quality_scores(labels, scores, method="self_confidence")
    return quality


def doubtful(labels: Labels, probabilities: Probabilities) -> Index:
    """Rows whose label is probably wrong, the most doubtful first.

    They are found by the estimated joint distribution of given and true labels (section 3). Where a model is far from
    perfect that names its own mistakes too, so a row counts only if another class is the most probable one and the
    given one has a probability of at most SUPPORT (measured in bench/label_errors.py).

    >>> p = np.array([[0.98, 0.02], [0.02, 0.98]])[[0, 1] * 20]
    >>> doubtful(np.array([0, 1] * 18 + [0, 1, 0, 0]), p).tolist()
    [39]
    """
    from cleanlab.filter import find_label_issues

    labels, scores = checked(labels, probabilities)
    present, own = np.unique(labels, return_inverse=True)  # a class without items takes no part
    if len(present) < 2:
        return np.zeros(0, dtype=np.int64)
    shares = np.maximum(scores[:, present], np.finfo(np.float64).tiny)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = find_label_issues(
        own, shares, return_indices_ranked_by="self_confidence", min_examples_per_class=0, n_jobs=1
    )
    found: Index = np.asarray(rows, dtype=np.int64)
    found = found[shares[found, own[found]] <= SUPPORT]
    unlike: Index = found[shares[found].argmax(axis=1) != own[found]]
    return unlike
