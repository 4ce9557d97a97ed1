"""Is fine-tuning worth its time: tried only when the time allows, kept only when its gain is beyond doubt."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from keiki.data.folds import inner_folds
from keiki.data.task import Index, Items, TrainView
from keiki.methods.base import Descend, FloatArray, Method, make
from keiki.nn.softmax import softmax
from keiki.nn.temperature import calibrated_losses
from keiki.selection.workshop import Outcome, Workshop

Z95 = 1.959964  # two-sided 95 % of the normal distribution
TUNING = "fine-tune"
AFTER, LEAST_AFTER = 0.15, 40.0  # share and seconds of a budget that are left for what comes after training
FULL_FIT = 2.2  # a fit over its first descent: once more on all items, and what validation takes
REPEATS = 2  # of cross-fitting: one partition alone may flatter
FEWEST_UNITS = 10  # items or groups; cross-fitting it leaves two folds out, one to judge and one to stop by


@dataclass(frozen=True)
class Budget:
    """Wall-clock seconds for a whole fit; None: only what costs about one forward pass. `share`: number of equal
    selections that the time must serve (the outer folds of a nested estimate, and the final one)."""

    seconds: float | None = None
    share: int = 1
    start: float = field(default_factory=time.perf_counter)

    tries: bool = True  # whether it is for `auto` to spend on trying fine-tuning

    @property
    def allows_tuning(self) -> bool:
        return self.seconds is not None and self.tries

    def deadline(self, part: float = 1.0) -> float | None:
        """When training in this selection has to end, on the clock of perf_counter; None: whenever it has converged.

        Kept back is what evaluation, export and report take after it. part: share of the time that is left.
        """
        if self.seconds is None:
            return None
        kept_back = max(LEAST_AFTER, AFTER * self.seconds)
        return time.perf_counter() + part * max(0.0, self.left() - kept_back / self.share)

    def left(self) -> float:
        """Seconds left for this selection."""
        if self.seconds is None:
            return 0.0
        return (self.seconds - (time.perf_counter() - self.start)) / self.share


def try_tuning(
    shop: Workshop, view: TrainView, test: Items, probe: Outcome, budget: Budget
) -> tuple[Outcome | None, str]:
    """Fine-tuning cross-fitted on `view` if the time allows, and its outcome if its gain over the probe is above 0.

    The gain is the paired mean difference of calibrated log losses on out-of-fold predictions; the lower end of its
    95 % interval must be above 0.
    Returns the outcome or None, and a sentence for the report.
    """
    method = make(TUNING)
    refusal = shop.decided(shop.identity(method, shop.backbone, view), lambda: _refusal(shop, method, view, budget))
    if refusal:
        return None, refusal
    logits, whole = cross_fit(shop, method, view)
    if not whole:
        return None, f"{TUNING} was tried and left: the time did not last for an honest judgement."
    gains = calibrated_losses(probe.out_of_fold, view.labels) - calibrated_losses(logits, view.labels)
    low = gain_lower_bound(gains, view.groups)
    if low <= 0:
        return (
            None,
            f"{TUNING} was tried and left: its gain of {gains.mean():.3f} nats may be chance (95 % low {low:.3f}).",
        )
    outcome = shop.fit(method, view, test)
    if outcome.cut_short:
        return None, f"{TUNING} was tried and left: the time did not last for a fit on all items."
    if outcome.facts.get("preferred") == "probe":
        return None, f"{TUNING} was tried and left: trained on all items, it fell back on the probe."
    outcome.out_of_fold = logits
    return outcome, f"{TUNING} was kept: it gains {gains.mean():.3f} nats over the probe (95 % low {low:.3f})."


def _refusal(shop: Workshop, method: Method, view: TrainView, budget: Budget) -> str:
    """Why the time does not allow to cross-fit `method`; empty where it does. Measured, so it is asked once a run."""
    if len(np.unique(view.groups)) < FEWEST_UNITS:
        return f"{TUNING} was not tried: fewer than {FEWEST_UNITS} independent training items cannot judge it."
    if budget.left() <= 0:
        return f"{TUNING} was not tried: no time is left."
    fits = sum(len(np.unique(partition)) for partition in partitions(view)) + 1
    needed = fits * FULL_FIT * _seconds_of_one_fit(shop, method, view)
    left = max(0.0, budget.left())
    return (
        "" if needed <= left else f"{TUNING} was not tried: it needs about {needed:.0f} s, and {left:.0f} s are left."
    )


def cross_fit(shop: Workshop, method: Method, view: TrainView) -> tuple[FloatArray, bool]:
    """Repeated out-of-fold logits (N, C): for each fold of each partition a model that was fitted on the others.

    And whether no fit was cut short by the clock; the first that is ends it, since the rest would be too. The logits
    are the logarithms of the probabilities averaged over the partitions.
    """
    found = []
    for partition in partitions(view):
        out = np.full((len(view), view.n_classes), np.nan)
        for fold in np.unique(partition):
            held, rest = np.flatnonzero(partition == fold), np.flatnonzero(partition != fold)
            outcome = shop.fit(method, view.subset(rest), view.items.take(held))
            if outcome.cut_short:
                return out, False
            out[held] = softmax(outcome.test)
        found.append(out)
    return np.asarray(np.log(np.maximum(np.mean(found, axis=0), np.finfo(np.float64).tiny))), True


def partitions(view: TrainView) -> list[Index]:
    """Two partitions of the items into folds: the view's own, and one dealt anew where it has a single one."""
    if len(view.folds) >= REPEATS:
        return list(view.folds[:REPEATS])
    nobody = np.zeros(len(view), dtype=np.bool_)
    return [view.folds[0], inner_folds(view.labels, view.groups, nobody, view.random.child("again"))[0]]


def gain_lower_bound(gains: FloatArray, groups: np.ndarray) -> float:
    """Lower end of the 95 % interval of the mean gain, whole groups as units; a single one proves nothing.

    >>> round(gain_lower_bound(np.array([1.0, 3.0, 1.0, 3.0]), np.arange(4)), 3)
    0.868
    """
    _, unit = np.unique(groups, return_inverse=True)
    rest = np.bincount(unit, weights=gains - gains.mean())
    if len(rest) < 2:
        return -np.inf
    error = np.sqrt(len(rest) / (len(rest) - 1) * np.square(rest).sum()) / len(gains)
    return float(gains.mean() - Z95 * error)


def _seconds_of_one_fit(shop: Workshop, method: Method, view: TrainView) -> float:
    """Estimated from two timed training steps on a throw-away model."""
    from keiki.training.descent import Descent
    from keiki.training.pace import Pace

    backbone = method.bring(shop.backbone, shop.random)
    model = method.build(backbone, view.target, shop.bank)
    phase = next(phase for phase in method.phases(model, view) if isinstance(phase, Descend))  # nothing is run
    descent = Descent(phase, model.network, shop.random.child("timing"), Pace(threads=shop.plan.threads))
    return phase.steps * descent.seconds_a_step()
