"""Classes of unlike size: class weights, item weights for a sampler, logit adjustment, and the rule of balance=auto.

All of them make a model answer as if every class came equally often: the natural answer p(y | x) becomes
q(y | x) ~ p(y | x) exp(lift_y), where lift is the logarithm of the class weights, or -tau log(prior).

What that means behind the training:
- The fold that stops training is judged with the lift taken out again, by the log loss at its best temperature
  (`Balance.held_out_losses`). Judged as they are, balanced logits look worse than natural
  ones, and the epoch is kept that has unlearned the balance (Fashion-MNIST, 50 to 1, weights from a probe: macro recall
  75.8 % instead of 79.7). Weighted log loss chooses alike, but hangs on the few held-back items of the rarest class.
- A probe that starts the descent answers naturally: the lift is added to its bias (`Balance.lifted`), which is the
  post-hoc adjustment of Menon et al. 2021, section 4.1.
- Temperature and accepting threshold are still fitted on out-of-fold answers in their natural mix, so the confidence of
  a balanced model says how often it is right on data like these. Its log loss there is higher than that of a natural
  one (see docs/log.md): who wants probabilities, not equal treatment, leaves balance=none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keiki.data.task import Index
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import FloatArray
from keiki.nn.temperature import calibrated_losses

Kind = Literal["none", "weights", "sampler", "logit-adjustment"]
Wanted = Literal["none", "weights", "sampler", "logit-adjustment", "auto"]
UNLIKE = 3  # times as many items in the largest class as in the smallest: from here on auto balances


@dataclass(frozen=True)
class Balance:
    """How unlike class sizes are met, and why; counts (C,) of the items that are learned from."""

    kind: Kind
    reason: str
    counts: Index
    beta: float = 1.0
    tau: float = 1.0

    @property
    def weights(self) -> FloatArray | None:
        """Weights (C,) of the classes in the loss, if that is how."""
        return class_weights(self.counts, self.beta) if self.kind == "weights" else None

    @property
    def shift(self) -> FloatArray | None:
        """tau log(prior) (C,), added to the logits in the loss, if that is how."""
        return self.tau * log_prior(self.counts) if self.kind == "logit-adjustment" else None

    @property
    def lift(self) -> FloatArray:
        """What the balance adds to the logits (C,) of a model that learns by it."""
        if self.kind == "none":
            return np.zeros(len(self.counts))
        shift = self.shift
        return np.log(class_weights(self.counts, self.beta)) if shift is None else -shift

    def sampler(self, labels: Index) -> FloatArray | None:
        """Weights (N,) of the items for the feed, if that is how."""
        return item_weights(labels, len(self.counts), self.beta) if self.kind == "sampler" else None

    def held_out_losses(self, logits: FloatArray, labels: Index) -> FloatArray:
        """Log loss (N,) of items that were not learned from, with the lift taken out, at their best temperature; all of
        them not a number where a logit is none.

        A network that learns grows surer than it is right; that is cured after training by one number, so it must not
        end it.
        """
        if not np.isfinite(logits).all():
            return np.full(len(labels), np.nan)
        return calibrated_losses(logits - self.lift, labels)

    def lifted(self, head: LinearHead) -> LinearHead:
        """A head that was solved without balance, as a start."""
        return LinearHead(head.weight, head.bias + self.lift)

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "reason": self.reason,
            "counts": dict(zip(classes, self.counts.tolist(), strict=True)),
        }


def decide(wanted: Wanted, labels: Index, classes: Sequence[str], *, beta: float = 1.0, tau: float = 1.0) -> Balance:
    """What was asked for, or by the rule of auto: logit adjustment where one class has 3 times the items of another.

    A method does not see the metric, so nothing is balanced unless it is asked for; `auto` is for who wants every class
    to count alike. Evidence: bench/imbalance.py. From a probe and stopped in time, all three ways do alike: at 3 times
    the items macro recall rises by 1 to 2 points and accuracy changes by less than half a point, at 10 times by 5 to 7
    for 1 at most, at 50 times by 10 for 2. Trained until everything fits, logit adjustment still gives 2 to 5 points at
    10 and 50 times, weights and sampler 1 to 3: hence the one that is chosen.

    >>> decide("auto", np.array([0, 0, 0, 1]), ["healthy", "rust"]).reason
    "logit adjustment, because 'rust' has 1 item and 'healthy' 3"
    >>> decide("auto", np.array([0, 0, 1]), ["healthy", "rust"]).kind
    'none'
    """
    counts = class_counts(labels, len(classes))
    if wanted != "auto":
        return Balance(wanted, "it was asked for" if wanted != "none" else "none was asked for", counts, beta, tau)
    few, many = int(counts.argmin()), int(counts.argmax())
    sizes = f"'{classes[few]}' has {counts[few]} {'item' if counts[few] == 1 else 'items'}"
    if counts[many] < UNLIKE * max(counts[few], 1):
        reason = f"no balancing, because {sizes} and '{classes[many]}' {counts[many]}: less than {UNLIKE} times that"
        return Balance("none", reason, counts, beta, tau)
    reason = f"logit adjustment, because {sizes} and '{classes[many]}' {counts[many]}"
    return Balance("logit-adjustment", reason, counts, beta, tau)


def class_counts(labels: Index, n_classes: int) -> Index:
    """Items of each class, (C,).

    >>> class_counts(np.array([0, 2, 2]), 4).tolist()
    [1, 0, 2, 0]
    """
    return np.bincount(labels, minlength=n_classes).astype(np.int64)


def class_weights(counts: Index, beta: float = 1.0) -> FloatArray:
    """Weights (C,) with mean 1 over the items: w_c ~ (1 - beta) / (1 - beta^n_c), for beta 1 its limit 1 / n_c.

    beta: 1 weights by inverse frequency, 0 not at all; 1 / (1 - beta) is the number of items from which on more of them
    say nothing new. A class without items counts as if it had one. Source: Cui et al. 2019, arXiv:1901.05555, eq. 2 and
    section 4 (effective number of samples). Deviation: they sum to C over the classes there; a mean of 1 over the items
    leaves the size of the loss as it is, in every batch.

    >>> class_weights(np.array([30, 10])).round(4).tolist()
    [0.6667, 2.0]
    """
    n = np.maximum(counts, 1).astype(np.float64)
    effective = n if beta == 1 else (1 - beta**n) / (1 - beta)
    return np.asarray(counts.sum() / effective / (counts / effective).sum())


def log_prior(counts: Index) -> FloatArray:
    """Logarithms (C,) of the shares of the classes; one without items counts as if it had one.

    >>> np.exp(log_prior(np.array([3, 1]))).tolist()
    [0.75, 0.25]
    """
    n = np.maximum(counts, 1).astype(np.float64)
    return np.asarray(np.log(n / n.sum()))


def item_weights(labels: Index, n_classes: int, beta: float = 1.0) -> FloatArray:
    """Weights (N,) with mean 1: drawn by them, all classes come equally often (for beta 1).

    >>> item_weights(np.array([0, 0, 0, 1]), 2).round(4).tolist()
    [0.6667, 0.6667, 0.6667, 2.0]
    """
    return class_weights(class_counts(labels, n_classes), beta)[labels]
