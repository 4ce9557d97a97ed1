"""What a model answers: probabilities, the decision that they allow, and the items that could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from keiki.evaluation.conformal import named_set

Decision = Literal["accept", "check", "unfamiliar"]


@dataclass(frozen=True)
class Answer:
    """The answer for one item; `error` says why there is none, and then the other fields are None.

    unfamiliarity: distance to the training items, None where the model cannot tell. set: classes that hold the true one
    as often as was asked for, the most probable first; None where nothing was asked.
    """

    label: str | None
    probability: float | None
    decision: Decision | None
    runner_up: str | None
    error: str | None = None
    unfamiliarity: float | None = None
    set: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Sets:
    """That sets were asked for: the level, and the probability from which a class belongs (None: all of them do)."""

    level: float
    least: float | None


@dataclass(frozen=True)
class Predictions:
    """Answers for N items. probabilities (N, C) float32, a row of NaN for an item that could not be read.

    errors: reason by row. accept_from: the top probability from which an answer may be accepted unseen; None: never.
    unfamiliarity (N,): distance to the training items; above `unfamiliar_from` the decision is 'unfamiliar', however
    high the probability. None where the model cannot tell.

    >>> p = Predictions(("cat", "dog"), np.array([[0.1, 0.9], [0.6, 0.4]], dtype=np.float32), {}, 0.8)
    >>> [(answer.label, answer.decision) for answer in p]
    [('dog', 'accept'), ('cat', 'check')]
    """

    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    errors: Mapping[int, str]
    accept_from: float | None
    unfamiliarity: npt.NDArray[np.float32] | None = None
    unfamiliar_from: float | None = None
    sets: Sets | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    def _repr_html_(self) -> str:
        from keiki.evaluation.report.snippet import predictions_snippet

        return predictions_snippet(self)

    def __iter__(self) -> Iterator[Answer]:
        for row in range(len(self)):
            yield self.answer(row)

    @property
    def labels(self) -> list[str | None]:
        """The most probable class of every item; None where it could not be read."""
        return [answer.label for answer in self]

    @property
    def unfamiliar(self) -> npt.NDArray[np.bool_] | None:
        """Which items are unfamiliar (N,); None where the model cannot tell."""
        if self.unfamiliarity is None or self.unfamiliar_from is None:
            return None
        return np.asarray(self.unfamiliarity.astype(np.float64) > self.unfamiliar_from)  # NaN, not readable, is not

    def answer(self, row: int) -> Answer:
        """The answer for the item at `row`."""
        if row in self.errors:
            return Answer(None, None, None, None, self.errors[row])
        shares = self.probabilities[row]
        first, *others = np.argsort(-shares, kind="stable")[:2]  # equal ones: the earlier class
        top = float(shares[first])
        distance = None if self.unfamiliarity is None else float(self.unfamiliarity[row])
        return Answer(
            self.classes[first],
            top,
            self._decision(top, distance),
            self.classes[others[0]] if others else None,
            unfamiliarity=distance,
            set=None if self.sets is None else named_set(shares, self.sets.least, self.classes),
        )

    def _decision(self, top: float, distance: float | None) -> Decision:
        if distance is not None and self.unfamiliar_from is not None and distance > self.unfamiliar_from:
            return "unfamiliar"
        return "accept" if self.accept_from is not None and top >= self.accept_from else "check"
