"""Answers for whatever a person names: what `keiki predict` prints, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.predictions import Answer
from keiki.serving.inputs import Input

FIELDS = ("input", "label", "probability", "decision", "runner_up", "error")
_CHUNK = 1024  # items between two reports of progress

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """One line of the answer; `error` says why there is no label. probabilities: of every class, by name."""

    input: str
    label: str | None
    probability: float | None
    decision: str | None
    runner_up: str | None
    error: str | None
    probabilities: dict[str, float] | None = None

    def cells(self) -> list[str]:
        """The fields as text, in the order of FIELDS; '' where there is nothing."""
        values = [getattr(self, name) for name in FIELDS]
        return [f"{value:.6f}" if isinstance(value, float) else value or "" for value in values]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rows(bundle: Bundle, inputs: Sequence[Input], progress: Progress | None = None) -> Iterator[Row]:
    """A row for every input, in order; what cannot be read has an error in its row and stops nothing."""
    for start in range(0, len(inputs), _CHUNK):
        yield from _some(bundle, inputs[start : start + _CHUNK])
        if progress is not None:
            progress(min(start + _CHUNK, len(inputs)), len(inputs))


def _some(bundle: Bundle, inputs: Sequence[Input]) -> Iterator[Row]:
    places = [i for i, each in enumerate(inputs) if each.raw is not None]
    predictions = bundle.predict([each.raw for each in inputs if each.raw is not None])
    row_of = {place: row for row, place in enumerate(places)}
    for i, each in enumerate(inputs):
        if i not in row_of:
            yield _row(each.name, Answer(None, None, None, None, each.error))
            continue
        row = row_of[i]
        shares = predictions.probabilities[row].tolist()
        answer = predictions.answer(row)
        yield _row(each.name, answer, None if answer.error else dict(zip(predictions.classes, shares, strict=True)))


def _row(name: str, answer: Answer, probabilities: dict[str, float] | None = None) -> Row:
    return Row(name, answer.label, answer.probability, answer.decision, answer.runner_up, answer.error, probabilities)
