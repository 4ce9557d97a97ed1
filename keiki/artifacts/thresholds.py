"""The thresholds of a bundle, read from bundle.json (writer.py says what each means)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from keiki.core.errors import OptionError, RequestError
from keiki.evaluation.conformal import SetScores
from keiki.evaluation.drift import Reference
from keiki.evaluation.thresholds import GridPoint, lowest


@dataclass(frozen=True)
class Thresholds:
    """What a bundle decides by. Make one with `read`."""

    accept: float | None
    asked: float | None
    grid: tuple[GridPoint, ...]
    unfamiliar: float | None
    expected: tuple[float, int] | None  # share of familiar items above `unfamiliar`, and from how many it is known
    why_no_unfamiliar: str
    sets: SetScores | None
    reference: Reference | None

    @classmethod
    def read(cls, data: Mapping[str, Any], kept: Mapping[str, Any] | None) -> Self:
        """From "thresholds" and "out_of_fold" of bundle.json; raises KeyError or TypeError where a part is missing."""
        unfamiliar = data["unfamiliar"]
        return cls(
            accept=data["accept"],
            asked=data["asked_accuracy"],
            grid=tuple(GridPoint(each["threshold"], each["accuracy"], each["share"]) for each in data["grid"]),
            unfamiliar=unfamiliar,
            expected=None if unfamiliar is None else (float(data["expected_unfamiliar"]), int(data["n_unfamiliar"])),
            why_no_unfamiliar=data["why_no_unfamiliar"],
            sets=SetScores.from_json(kept["sets"]) if kept else None,
            reference=Reference.from_json(kept["reference"]) if kept else None,
        )

    def accept_from(self, accuracy: float | None) -> float | None:
        """The threshold for a wanted accuracy; None as accuracy: the one that the fit was asked for."""
        if accuracy is None:
            return self.accept
        if not 0.5 <= accuracy < 1:
            raise OptionError(f"The wanted accuracy must lie in 0.5 to 1, but got {accuracy:g}.", hint="Example: 0.9")
        if not self.grid:
            raise RequestError(
                "This model keeps no out-of-fold answers, so no threshold for another accuracy can be told.",
                hint="Leave --accuracy out.",
            )
        return lowest(self.grid, accuracy)

    def set_from(self, level: float) -> float | None:
        """The probability from which a class belongs to a set of this level; None: all classes do."""
        if self.sets is None:
            raise RequestError(
                "This model keeps no out-of-fold answers, so it cannot say which classes a set must hold.",
                hint="Leave --set-level out.",
            )
        return self.sets.least(level)
