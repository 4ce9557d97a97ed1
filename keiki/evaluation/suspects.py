"""Labels that are probably wrong, by confident learning on out-of-fold probabilities.

The probabilities must come from models that had not seen the item; of test items nothing is asked.
Source: Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
arXiv:1911.00068, as cleanlab implements it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keiki.metrics.base import Floats, Labels, Probabilities, checked

SUPPORTS = (0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)
LEAST = 0.01  # of support: a label that gets one chance in a hundred is worth a look in any case
CHANCE = 0.025  # of an excess of labels without support where all labels are right

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

    Candidates come from the estimated joint distribution of given and true labels (section 3). Where a model is far
    from perfect that names its own mistakes too, so a row counts only if another class is the most probable one and its
    own has a support of at most LEAST, or less than the probabilities themselves foresee (see `surprising`).

    >>> p = np.array([[0.99, 0.01], [0.01, 0.99]])[[0, 1] * 20]
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
    found = found[shares[found, own[found]] <= max(LEAST, surprising(own, shares))]
    unlike: Index = found[shares[found].argmax(axis=1) != own[found]]
    return unlike


def surprising(labels: Labels, probabilities: Probabilities) -> float:
    """The largest support of SUPPORTS under which there are surely more labels than calibrated probabilities foresee.

    If an item is of class c with probability p_c, the number of labels with a support of at most t is about Poisson
    with mean sum_i sum_c p_ic [p_ic <= t]. Wrong labels come on top. 0 where no such excess is beyond chance.

    >>> p = np.tile([0.99, 0.01], (300, 1))
    >>> surprising(np.repeat([0, 1], [297, 3]), p), surprising(np.repeat([0, 1], [288, 12]), p)
    (0.0, 0.05)
    """
    from scipy.special import pdtrc

    support = probabilities[np.arange(len(labels)), labels]
    for bar in SUPPORTS:
        foreseen = float(probabilities[probabilities <= bar].sum())
        n = int((support <= bar).sum())
        if n and pdtrc(n - 1, foreseen) <= CHANCE:
            return bar
    return 0.0
