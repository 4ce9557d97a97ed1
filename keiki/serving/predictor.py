"""Answers for whatever a person names: what `keiki predict` prints, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.predictions import Answer
from keiki.serving.inputs import Input

FIELDS = ("input", "label", "probability", "decision", "runner_up", "error")
SET = "set"  # the field that is added where sets were asked for
_CHUNK = 1024  # items between two reports of progress

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wish:
    """What was asked of the answers besides the answers: accuracy among the accepted, level of the sets of classes,
    and over how many views of a picture its probabilities are averaged."""

    accuracy: float | None = None
    set_level: float | None = None
    augment: int | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the answer."""
        return FIELDS if self.set_level is None else (*FIELDS, SET)


@dataclass(frozen=True)
class Row:
    """One line of the answer; `error` says why there is no label. probabilities: of every class, by name.

    unfamiliarity: distance to the training items, None where the model cannot tell. set: see `Answer`.
    """

    input: str
    label: str | None
    probability: float | None
    decision: str | None
    runner_up: str | None
    error: str | None
    probabilities: dict[str, float] | None = None
    unfamiliarity: float | None = None
    set: tuple[str, ...] | None = None

    def cells(self, fields: Sequence[str] = FIELDS) -> list[str]:
        """The fields as text, in this order; '' where there is nothing, classes of a set joined by ';'."""
        return [_cell(getattr(self, name)) for name in fields]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def unmet(bundle: Bundle, wish: Wish) -> list[str]:
    """Sentences on what was asked and cannot be had; raises OptionError or RequestError where it makes no sense."""
    known, out = bundle.thresholds, []
    if wish.accuracy is not None and known.accept_from(wish.accuracy) is None:
        best = max(point.accuracy for point in known.grid)
        out.append(f"No threshold keeps {wish.accuracy:.1%} right (at best {best:.1%}); every answer is to be checked.")
    if wish.set_level is not None and known.set_from(wish.set_level) is None and known.sets is not None:
        out.append(
            f"For sets at {wish.set_level:.1%}, {known.sets.units} items are too few; each set holds all classes."
        )
    return out


def rows(
    bundle: Bundle, inputs: Sequence[Input], progress: Progress | None = None, wish: Wish | None = None
) -> Iterator[Row]:
    """A row for every input, in order; what cannot be read has an error in its row and stops nothing."""
    for start in range(0, len(inputs), _CHUNK):
        yield from _some(bundle, inputs[start : start + _CHUNK], wish or Wish())
        if progress is not None:
            progress(min(start + _CHUNK, len(inputs)), len(inputs))


def _some(bundle: Bundle, inputs: Sequence[Input], wish: Wish) -> Iterator[Row]:
    places = [i for i, each in enumerate(inputs) if each.raw is not None]
    raws = [each.raw for each in inputs if each.raw is not None]
    predictions = bundle.predict(raws, accuracy=wish.accuracy, set_level=wish.set_level, augment=wish.augment)
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
    return Row(input=name, probabilities=probabilities, **vars(answer))


def _cell(value: str | float | tuple[str, ...] | None) -> str:
    if isinstance(value, tuple):
        return ";".join(value)
    return f"{value:.6f}" if isinstance(value, float) else value or ""
