"""Are new items still like those that a model learned from? Told without labels, so never how often it is right.

Two things are tested, each at 1 %: whether more items are unfamiliar than of the training items would be, and whether
the classes are decided in another mix than they were for training items that the model had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from keiki.core.errors import DataError
from keiki.evaluation.intervals import Interval
from keiki.evaluation.shares import independent_groups
from keiki.metrics.base import Probabilities

ALPHA = 0.01  # of each of the two tests
LARGE_MIX = 0.1  # a tenth of the items would have to change class for the mixes to be equal
MANY_TIMES = 2.0  # as many unfamiliar items as expected: less does not matter, however certain
FEW = 30  # items (or groups) below which nothing can be ruled out
DRAWS = 2000  # of the permutation test
CLASSES_SHOWN = 50

Status = Literal["drifted", "alike", "unsure"]


@dataclass(frozen=True)
class Reference:
    """What the model answered for training items that it had not seen: the share of each class among its decisions,
    the mean of the top probability, and the number of independent items."""

    shares: tuple[float, ...]
    confidence: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"shares": list(self.shares), "confidence": self.confidence, "n": self.n}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reference in `data`, as `to_json` wrote it."""
        return cls(tuple(float(each) for each in data["shares"]), float(data["confidence"]), int(data["n"]))


@dataclass(frozen=True)
class Alarms:
    """Unfamiliar items among n: their share with its exact 95 % interval, the share that is expected of items like the
    training items, and the chance of so many or more if these are like them."""

    share: Interval
    expected: float
    p_value: float


@dataclass(frozen=True)
class Mix:
    """Decided classes against the reference: half the sum of the differences of shares, and the chance of so much."""

    distance: float
    p_value: float
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Drift:
    """What changed, in numbers and in one sentence. alarms, mix: None where the model keeps nothing to compare with."""

    n: int
    units: int
    alarms: Alarms | None
    mix: Mix | None
    confidence: float
    reference: Reference | None
    status: Status
    verdict: str

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """As plain JSON values; of the classes those that changed most."""
        known = self.reference
        changed = _most_changed(self.mix.shares, known.shares) if self.mix and known else []
        return {
            "status": self.status,
            "verdict": self.verdict,
            "n": self.n,
            "unfamiliar": self.alarms
            and {**self.alarms.share.to_json(), "expected": self.alarms.expected, "p_value": self.alarms.p_value},
            "classes": self.mix
            and known
            and {
                "distance": self.mix.distance,
                "p_value": self.mix.p_value,
                "shares": [
                    {"class": classes[i], "share": self.mix.shares[i], "expected": known.shares[i]}
                    for i in changed[:CLASSES_SHOWN]
                ],
            },
            "confidence": {"value": self.confidence, "expected": known.confidence if known else None},
        }


def reference(probabilities: Probabilities, groups: NDArray[Any] | None = None) -> Reference:
    """The reference in out-of-fold probabilities (N, C); items in `groups` (N,) count as `independent_groups`.

    >>> reference(np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [0.8, 0.2]])).shares
    (0.75, 0.25)
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    counts = np.bincount(shares.argmax(axis=1), minlength=shares.shape[1])
    n = len(shares) if groups is None else independent_groups(groups)
    return Reference(tuple((counts / len(shares)).tolist()), float(shares.max(axis=1).mean()), n)


def drift(
    probabilities: Probabilities,
    classes: Sequence[str],
    known: Reference | None,
    *,
    unfamiliar: NDArray[np.bool_] | None,
    expected: tuple[float, int] | None,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
) -> Drift:
    """Compare new items with what a model knows of its training items.

    probabilities (N, C) of the new items; unfamiliar (N,) says which of them are, None where the model cannot tell;
    expected: the share that is expected, and how many items it was found on. groups (N,): items that belong together;
    they count as so many items as there are `independent_groups`, in both tests.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if not len(shares):
        raise DataError("Drift needs at least one item, but there are none.")
    n_units = len(shares) if groups is None else independent_groups(groups)
    alarms = None if unfamiliar is None or expected is None else _alarms(unfamiliar, expected, n_units)
    mix = None if known is None else _mix(shares.argmax(axis=1), known, n_units, rng)
    status, verdict = _verdict(alarms, mix, known, classes, len(shares), n_units)
    return Drift(len(shares), n_units, alarms, mix, float(shares.max(axis=1).mean()), known, status, verdict)


def clopper_pearson(successes: float, n: float, level: float = 0.95) -> Interval:
    """The exact interval of a share: each end is the share at which so many successes just become improbable.

    Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits".

    >>> clopper_pearson(0, 10)  # 1 - 0.025 ** (1 / 10)
    Interval(value=0.0, low=0.0, high=0.30849...)
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Interval(successes / n, low, high)


def beta_binomial_tail(successes: int, n: int, a: float, b: float) -> float:
    """P(X >= successes) for X successes in n trials whose chance is drawn from Beta(a, b).

    >>> round(beta_binomial_tail(1, 1, 1, 99), 6)  # one more item above the largest of 99
    0.01
    """
    from scipy.special import betaln, gammaln

    k = np.arange(successes, n + 1, dtype=np.float64)
    choose = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return min(1.0, float(np.exp(choose + betaln(k + a, n - k + b) - betaln(a, b)).sum()))


def _alarms(unfamiliar: NDArray[np.bool_], expected: tuple[float, int], units: int) -> Alarms:
    """With groups, the share is that of items and the trials are the groups."""
    share = float(np.mean(unfamiliar))
    rate, n = expected
    above = rate * (n + 1)  # the chance to lie above the threshold is Beta(above, n + 1 - above)
    count = round(share * units) if units < len(unfamiliar) else int(np.sum(unfamiliar))
    p_value = beta_binomial_tail(count, units, above, n + 1 - above)
    return Alarms(clopper_pearson(share * units, units), rate, p_value)


def _mix(decided: NDArray[np.integer[Any]], known: Reference, units: int, rng: np.random.Generator) -> Mix:
    """Two-sample permutation test of the total variation distance: which items are new is drawn at random."""
    counts = np.bincount(decided, minlength=len(known.shares))
    shares = counts / len(decided)
    now, then = _rounded(shares, units), _rounded(np.array(known.shares), known.n)
    draws = rng.multivariate_hypergeometric(now + then, int(now.sum()), size=DRAWS, method="marginals")
    at_random = _distance(draws / max(1, now.sum()), (now + then - draws) / max(1, then.sum()))
    found = _distance(now / max(1, now.sum()), then / max(1, then.sum()))
    p_value = (1 + int((at_random >= found - 1e-12).sum())) / (DRAWS + 1)
    return Mix(float(_distance(shares, np.array(known.shares))), p_value, tuple(shares.tolist()))


def _rounded(shares: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Whole numbers that add up to n, as near to shares * n as can be."""
    exact = shares * n
    whole = np.floor(exact + 1e-9).astype(np.int64)
    missing = max(0, n - int(whole.sum()))
    whole[np.argsort(-(exact - whole), kind="stable")[:missing]] += 1
    return whole


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> Any:
    return np.abs(first - second).sum(axis=-1) / 2


def _verdict(
    alarms: Alarms | None, mix: Mix | None, known: Reference | None, classes: Sequence[str], n: int, units: int
) -> tuple[Status, str]:
    found = [*_strange(alarms), *_mixed(mix, known, classes)]
    if found:
        return "drifted", f"These items differ from the training items: {'; '.join(found)}. Look at some before use."
    if alarms is None and mix is None:
        return "unsure", "This model keeps nothing of its training items that new ones could be compared with."
    if units < FEW:
        noun = "items" if units == n else "groups of items"
        return "unsure", f"Nothing strange was found, but {units} {noun} are too few to rule out a drift."
    compared = " and ".join(
        [*(["as few are unfamiliar"] if alarms else []), *(["the classes are mixed alike"] if mix else [])]
    )
    return "alike", f"No drift was found: {compared}, as in training."


def _strange(alarms: Alarms | None) -> list[str]:
    if alarms is None or alarms.p_value >= ALPHA or alarms.share.value <= MANY_TIMES * alarms.expected:
        return []
    ends = f"{alarms.share.low:.1%} to {alarms.share.high:.1%}"
    return [f"{alarms.share.value:.1%} of them are unfamiliar ({ends}; {alarms.expected:.1%} would be expected)"]


def _mixed(mix: Mix | None, known: Reference | None, classes: Sequence[str]) -> list[str]:
    if mix is None or known is None or mix.p_value >= ALPHA or mix.distance < LARGE_MIX:
        return []
    most = _most_changed(mix.shares, known.shares)[0]
    return [
        f"class '{classes[most]}' is decided for {mix.shares[most]:.0%} of them (in training {known.shares[most]:.0%})"
    ]


def _most_changed(shares: Sequence[float], before: Sequence[float]) -> list[int]:
    order: list[int] = np.argsort(-np.abs(np.array(shares) - np.array(before)), kind="stable").tolist()
    return order
