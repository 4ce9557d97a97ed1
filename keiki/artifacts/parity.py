"""Parity: two ways to compute the same logits must agree, and a certificate says how well they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.core.errors import ParityError

TOLERANCE = 1e-4  # largest absolute difference of two logits; float32 through a deep network leaves about 1e-5

DISTANCE_TOLERANCE = (
    1e-2  # of the largest distance: float32 leaves the difference of two long sums, and no more is needed
)

Logits = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Certificate:
    """How well two ways agreed: the largest difference of a logit, over n items in batches of these sizes."""

    max_abs_difference: float
    same_top_class: bool
    n: int
    batch_sizes: tuple[int, ...]
    tolerance: float = TOLERANCE

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "batch_sizes": list(self.batch_sizes)}


def certify(expected: Logits, run: Callable[[Sequence[int]], Logits], what: str) -> Certificate:
    """Compare `run(positions) -> logits (B, C)` with expected (n, C), alone, in an odd batch and all at once.

    Items alone are tried four times at most, odd batches of three three times. Raises ParityError where a logit
    differs by more than the tolerance, or is not a number, or another class comes out on top although the expected
    margin is wider than two tolerances.

    >>> logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    >>> certify(logits, lambda at: logits[list(at)] + 1e-5, "the copy").batch_sizes
    (1, 2)
    """
    n = len(expected)
    if n == 0:
        raise ParityError(f"{what} was compared on no items.", hint="Give at least one item as a witness.")
    batches = _batches(n)
    pairs = [(expected[list(at)], np.asarray(run(at))) for at in batches]
    worst = max(_difference(want, got, what) for want, got in pairs)
    same = all(_same_top(want, got) for want, got in pairs)
    sizes = tuple(sorted({len(at) for at in batches}))
    if not (worst <= TOLERANCE and same):  # a NaN is not <= anything
        raise ParityError(
            f"{what} differs from the model: by {worst:.2g} in a logit where {TOLERANCE:g} is allowed, over {n} items.",
            hint="Nothing was written. Try another backbone, and please report this one.",
        )
    return Certificate(float(f"{worst:.3g}"), same, n, sizes)


def certify_distances(expected: Logits, found: Logits, what: str) -> None:
    """Compare distances (n,) to the training items; raises ParityError where one differs by 1 % of the largest.

    >>> certify_distances(np.array([10.0, 200.0]), np.array([10.5, 200.5]), "the copy")
    """
    scale = max(float(np.abs(expected).max()), 1.0)
    if expected.shape != found.shape or not float(np.abs(expected - found).max()) <= DISTANCE_TOLERANCE * scale:
        raise ParityError(
            f"{what} measures how unfamiliar an item is otherwise than the model: {found[:3]} for {expected[:3]}.",
            hint="Nothing was written. Try another backbone, and please report this one.",
        )


def _batches(n: int) -> list[range]:
    alone = [range(i, i + 1) for i in range(min(n, 4))]
    odd = [range(i, i + 3) for i in range(0, min(n, 9) - 2, 3)]
    return [*alone, *odd, range(n)]


def _difference(want: Logits, got: Logits, what: str) -> float:
    if want.shape != got.shape:
        raise ParityError(f"{what} gives logits of shape {got.shape} where the model gives {want.shape}.")
    return float(np.max(np.abs(want - got)))


def _same_top(want: Logits, got: Logits) -> bool:
    if want.shape[1] < 2:
        return True
    ordered = np.sort(want, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2 * TOLERANCE
    return bool(np.all(want.argmax(axis=1)[clear] == got.argmax(axis=1)[clear]))
