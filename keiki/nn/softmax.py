"""Softmax, its logarithm and the cross-entropy of each item, in NumPy.

Logits are (..., C); every function works along the last axis and subtracts the maximum first, so that
no finite logit overflows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Probabilities of the classes, in float64.

    >>> softmax(np.array([0.0, np.log(3.0)])).round(6).tolist()
    [0.25, 0.75]
    """
    shifted = np.exp(_shift(logits))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def log_softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Logarithms of the probabilities; finite even where the probability underflows.

    >>> log_softmax(np.array([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    shifted = _shift(logits)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def cross_entropy_per_item(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> FloatArray:
    """Log loss in nats of each item: logits (..., N, C) and labels (N,) give (..., N).

    >>> cross_entropy_per_item(np.zeros((2, 4)), np.array([0, 3])).round(4).tolist()
    [1.3863, 1.3863]
    """
    return np.asarray(-log_softmax(logits)[..., np.arange(len(labels)), labels])


def _shift(logits: NDArray[np.floating]) -> FloatArray:
    wide = np.asarray(logits, dtype=np.float64)
    return np.asarray(wide - wide.max(axis=-1, keepdims=True))
