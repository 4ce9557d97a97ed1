"""What the classes of a new task look like to a classifier of other classes: p(z | y), source class z, target class y.

direct   the mean of the source probabilities over the items of a class
reverse  p(y | z) by logistic regression from source probabilities to classes, calibrated, and turned round by Bayes
Source: You et al. 2020, "Co-Tuning for Transfer Learning", NeurIPS, section 3.2 and algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.nn.linear import LinearHead
from keiki.nn.logistic import logistic_fit
from keiki.nn.softmax import FloatArray, cross_entropy_per_item, log_softmax
from keiki.nn.standardise import IntArray

STRENGTHS = 10.0 ** np.arange(-2, 5)  # C of scikit-learn's LogisticRegression, weak to strong fits
SHARPEST = 100.0  # logits are multiplied by at most this, and at least by its inverse


@dataclass(frozen=True)
class Reverse:
    """p(z | y) as (C, Z), rows sum to 1; the C of the regression, and what its logits were multiplied by."""

    table: FloatArray
    strength: float
    sharpness: float


def direct(probabilities: FloatArray, labels: IntArray, n_classes: int) -> FloatArray:
    """p(z | y) (C, Z): class means of probabilities (N, Z); a class without items gets the mean of all.

    >>> direct(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), np.array([0, 0, 1]), 2).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    table = np.tile(probabilities.mean(axis=0), (n_classes, 1))
    for y in np.unique(labels):
        table[y] = probabilities[labels == y].mean(axis=0)
    return table


def reverse(probabilities: FloatArray, labels: IntArray, n_classes: int, folds: IntArray) -> Reverse:
    """p(z | y) from p(y | z), which is what the regression says of an item that is wholly source class z.

    Strength and calibration are chosen by the log loss on the folds (N,). Deviation: the authors' code chooses the
    strength by the accuracy on one validation set, and has no bias; probabilities sum to 1, so a bias is no more than
    a common part of the weights that is not penalised.
    """
    held = [_held_out(probabilities, labels, n_classes, folds, strength) for strength in STRENGTHS]
    best = int(np.argmin([cross_entropy_per_item(logits, labels).mean() for logits in held]))
    sharp = sharpness(held[best], labels)
    head = _fit(probabilities, labels, n_classes, STRENGTHS[best])
    given_source = log_softmax(sharp * head.logits(np.eye(probabilities.shape[1])))  # (Z, C): log p(y | z)
    return Reverse(turned(given_source, probabilities.mean(axis=0)), float(STRENGTHS[best]), sharp)


def turned(given_source: FloatArray, source: FloatArray) -> FloatArray:
    """Bayes: p(z | y) (C, Z) from log p(y | z) (Z, C) and p(z) (Z,).

    >>> turned(np.log([[0.8, 0.2], [0.4, 0.6]]), np.array([0.25, 0.75])).round(4).tolist()
    [[0.4, 0.6], [0.1, 0.9]]
    """
    with np.errstate(divide="ignore"):  # a source class that never occurs has the probability 0
        joint = given_source.T + np.log(source)
    return np.exp(log_softmax(joint))


def sharpness(logits: FloatArray, labels: IntArray) -> float:
    """What to multiply logits (N, C) by so that their log loss is least: the inverse of a temperature."""
    from scipy.optimize import minimize_scalar

    def loss(log_scale: float) -> float:
        return float(cross_entropy_per_item(np.exp(log_scale) * logits, labels).mean())

    edge = float(np.log(SHARPEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded").x))


def _held_out(
    probabilities: FloatArray, labels: IntArray, n_classes: int, folds: IntArray, strength: float
) -> FloatArray:
    logits = np.empty((len(labels), n_classes))
    for fold in np.unique(folds):
        out = folds == fold
        logits[out] = _fit(probabilities[~out], labels[~out], n_classes, strength).logits(probabilities[out])
    return logits


def _fit(probabilities: FloatArray, labels: IntArray, n_classes: int, strength: float) -> LinearHead:
    return logistic_fit(probabilities, labels, n_classes, penalty=1.0 / (strength * len(labels)))
