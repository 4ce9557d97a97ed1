"""What a model answers: probabilities, the decision that they allow, and the items that could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Decision = Literal["accept", "check"]


@dataclass(frozen=True)
class Answer:
    """The answer for one item; `error` says why there is none, and then the other fields are None."""

    label: str | None
    probability: float | None
    decision: Decision | None
    runner_up: str | None
    error: str | None = None


@dataclass(frozen=True)
class Predictions:
    """Answers for N items. probabilities (N, C) float32, a row of NaN for an item that could not be read.

    errors: reason by row. accept_from: the top probability from which an answer may be accepted unseen; None: never.

    >>> p = Predictions(("cat", "dog"), np.array([[0.1, 0.9], [0.6, 0.4]], dtype=np.float32), {}, 0.8)
    >>> [(answer.label, answer.decision) for answer in p]
    [('dog', 'accept'), ('cat', 'check')]
    """

    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    errors: Mapping[int, str]
    accept_from: float | None

    def __len__(self) -> int:
        return len(self.probabilities)

    def __iter__(self) -> Iterator[Answer]:
        for row in range(len(self)):
            yield self.answer(row)

    @property
    def labels(self) -> list[str | None]:
        """The most probable class of every item; None where it could not be read."""
        return [answer.label for answer in self]

    def answer(self, row: int) -> Answer:
        """The answer for the item at `row`."""
        if row in self.errors:
            return Answer(None, None, None, None, self.errors[row])
        first, *others = np.argsort(-self.probabilities[row], kind="stable")[:2]  # equal ones: the earlier class
        top = float(self.probabilities[row, first])
        accepted = self.accept_from is not None and top >= self.accept_from
        runner_up = self.classes[others[0]] if others else None
        return Answer(self.classes[first], top, "accept" if accepted else "check", runner_up)
