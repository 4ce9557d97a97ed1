"""Whether one state of a network is worse than another on the same items, by more than chance."""

from __future__ import annotations

import numpy as np

from keiki.nn.softmax import FloatArray


def is_worse(losses: FloatArray, others: FloatArray) -> bool:
    """Whether the mean of losses (N,) lies above that of others (N,) by more than a standard error of the differences.

    >>> is_worse(np.array([1.0, 1.2, 1.1]), np.array([0.8, 1.0, 1.0])), is_worse(np.array([1.0, 2.0]), np.array([2, 0]))
    (True, False)
    """
    differences = losses - others
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return bool(differences.mean() > error)
