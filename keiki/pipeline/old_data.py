"""`--old DATA`: what a new model still knows of the task that its start was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from keiki.backbones.features import FeatureBank
from keiki.core.errors import DataError, RequestError
from keiki.core.random import Randomness
from keiki.data.names import listing
from keiki.data.sources.base import Request
from keiki.data.task import Dataset, Index
from keiki.evaluation.intervals import Interval
from keiki.evaluation.protocol import dependent, estimates
from keiki.evaluation.report.start import Old
from keiki.evaluation.verdict import paired_difference
from keiki.methods.base import FloatArray, Model
from keiki.metrics.accuracy import ACCURACY
from keiki.nn.softmax import softmax
from keiki.pipeline.figures import interval
from keiki.pipeline.request import FitRequest
from keiki.pipeline.source import FEWEST, Source
from keiki.serving.judge import read_data

MARGIN = 0.01  # of accuracy: what may be lost and counts as kept
Mask = npt.NDArray[np.bool_]


def read_old(request: FitRequest, source: Source | None) -> Dataset | None:
    """The labelled data of the old task, or None; raises where they are none, or nothing could be told by them."""
    if request.old is None or source is None:
        return None
    if not source.classes:
        raise RequestError(
            f"--old asks how often '{source.name}' is right, but the file does not say what its classes are called.",
            hint="Start from a run or bundle, or write their names into the file's metadata as 'classes'.",
        )
    files = Path(request.files) if request.files else None
    data = read_data(Path(request.old), Request(files=files, learned=False), source.bundle)
    if data.items.modality != source.backbone.card.modality:
        raise DataError(
            f"--old '{data.name}' holds items of the kind '{data.items.modality}', but '{source.name}' takes "
            f"'{source.backbone.card.modality}'.",
            hint="Give data of the old task.",
        )
    if data.labels is None:
        raise DataError(f"--old '{data.name}' carries no labels, so nothing can be measured on it.")
    if set(data.labels).isdisjoint(source.classes):
        raise DataError(
            f"--old '{data.name}' has the classes {listing(sorted(set(data.labels)))}, and '{source.name}' knows none "
            f"of them; it knows {listing(source.classes, 20)}.",
            hint="Give data of the task that it was made for.",
        )
    return data


@dataclass(frozen=True)
class _Asked:
    """Readable items of the old data with both models' answers over all classes that either can name (N, U)."""

    data: Dataset
    labels: tuple[str, ...]
    names: tuple[str, ...]
    before: FloatArray
    after: FloatArray

    def rows_of(self, classes: Sequence[str]) -> Mask:
        known = frozenset(classes)
        return np.array([label in known for label in self.labels], dtype=np.bool_)

    def scores(self, answers: FloatArray, rows: Index, rng: np.random.Generator) -> Interval:
        found = estimates([ACCURACY], self.encoded(rows), answers[rows], rng=rng, groups=self.groups(rows))
        return found[ACCURACY.name]

    def encoded(self, rows: Index) -> Index:
        return np.array([self.names.index(self.labels[row]) for row in rows.tolist()], dtype=np.int64)

    def groups(self, rows: Index) -> Index | None:
        if self.data.groups is None:
            return None
        return dependent(np.unique(np.array(self.data.groups)[rows], return_inverse=True)[1])


def forgotten(
    data: Dataset,
    source: Source,
    model: Model,
    temperature: float,
    learned: frozenset[str],
    bank: FeatureBank,
    random: Randomness,
) -> Old:
    """Accuracy on old data before and after. learned: digests of what the new model was fitted on; bank: a fresh one,
    so that the items of the fit keep their places."""
    asked, unreadable = _ask(data, source, model, temperature, bank)
    ours = model.target.classes
    known, named = asked.rows_of(source.classes), asked.rows_of(ours)
    of_source, of_fit = (_seen(asked.data, digests) for digests in (source.seen(), learned))
    fresh = known & named & ~of_source & ~of_fit
    shared = known & named
    chosen = fresh if fresh.sum() >= FEWEST else shared
    unnamed = known & ~named
    found = Old(
        data=data.name,
        n=int(chosen.sum()),
        before=None,
        verdict="not comparable",
        unnamed=int(unnamed.sum()),
        unnamed_classes=tuple(sorted({asked.labels[row] for row in np.flatnonzero(unnamed).tolist()})),
        foreign=int((~known).sum()),
        unreadable=unreadable,
        seen_by_source=int((known & of_source).sum()),
        seen_by_fit=int((known & of_fit).sum()),
        only_unseen=bool(fresh.sum() >= FEWEST),
    )
    return _compared(found, asked, np.flatnonzero(chosen), np.flatnonzero(known), random.numpy("old"))


def _compared(found: Old, asked: _Asked, rows: Index, known: Index, rng: np.random.Generator) -> Old:
    if not len(rows):
        if not len(known):
            return found
        return replace(found, n=len(known), before=interval(asked.scores(asked.before, known, rng)))
    labels, groups = asked.encoded(rows), asked.groups(rows)
    change = paired_difference(ACCURACY, labels, asked.after[rows], asked.before[rows], rng=rng, groups=groups)
    return replace(
        found,
        before=interval(asked.scores(asked.before, rows, rng)),
        after=interval(asked.scores(asked.after, rows, rng)),
        difference=interval(change),
        verdict=_word(change),
    )


def _word(change: Interval) -> Literal["forgot", "kept", "undecided"]:
    """
    >>> _word(Interval(-0.1, -0.2, -0.05)), _word(Interval(0.0, -0.005, 0.01)), _word(Interval(-0.02, -0.06, 0.02))
    ('forgot', 'kept', 'undecided')
    """
    if change.high < 0:
        return "forgot"
    return "kept" if change.low > -MARGIN else "undecided"


def _ask(data: Dataset, source: Source, model: Model, temperature: float, bank: FeatureBank) -> tuple[_Asked, int]:
    """Both models' answers, and how many items could not be read."""
    bank.register(data.items)
    facts = bank.facts(data.items, thumbnails=False)
    left = data.take([row for row, fact in enumerate(facts) if fact.error is None])
    own = replace(model, bank=bank, boundary=None)  # what frozen stages answer is kept for the items of the fit alone
    names = tuple(dict.fromkeys((*source.classes, *model.target.classes)))
    before = _spread(source.probabilities(left.items, bank), source.classes, names)
    after = _spread(softmax(own.logits(left.items) / temperature), model.target.classes, names)
    rows = np.flatnonzero(np.isfinite(before).all(axis=1)).tolist()
    left = left.take(rows)
    return _Asked(left, left.labels or (), names, before[rows], after[rows]), len(data) - len(rows)


def _spread(probabilities: Any, own: Sequence[str], names: Sequence[str]) -> FloatArray:
    """Probabilities (N, C) as columns of all names, 0 for what a model cannot name."""
    out = np.zeros((len(probabilities), len(names)))
    out[:, [names.index(name) for name in own]] = probabilities
    return out


def _seen(data: Dataset, digests: frozenset[str]) -> Mask:
    return np.array([each in digests for each in data.items.digests], dtype=np.bool_)
