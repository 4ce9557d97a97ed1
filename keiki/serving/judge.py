"""How good a bundle is on labelled data that it has not seen, and whether data have drifted, labels or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.predictions import Predictions
from keiki.core.errors import DataError, RequestError
from keiki.core.files import sha256_bytes
from keiki.core.random import Randomness
from keiki.data.health import check, refuse_if_too_many
from keiki.data.names import listing
from keiki.data.sources.base import Request, read
from keiki.data.task import Dataset, Index, Skipped
from keiki.evaluation.drift import drift
from keiki.evaluation.leaks import without
from keiki.evaluation.protocol import evaluate
from keiki.evaluation.thresholds import accepted
from keiki.metrics.accuracy import ACCURACY
from keiki.metrics.base import Metric, UndefinedMetric, named
from keiki.serving.columns import read_as_fitted, wanted

NO_LABEL = "no label"  # why sources leave an item out


def read_data(path: Path, request: Request, bundle: Bundle | None = None, *, labels: bool = True) -> Dataset:
    """The data to look at; without labels where there are none, which a note then says, or where none are wanted.

    Columns that `request` does not name are those of the fit that made `bundle`, where they are there. Raises DataError
    with what is wrong: of the labels, where `request` names them.
    """
    look = _reader(path, bundle)
    if not labels:
        return _unlabelled(look, request, "Labels were not looked at, as was asked")
    try:
        found = look(request)
        _refuse_no_label(found)
        return check(found)
    except DataError as problem:
        if request.label is not None:
            raise
        if look(replace(request, labelled=False)).labels is not None:
            raise  # there are labels; something else is wrong
        return _unlabelled(look, request, f"No labels were found ({_begun_small(problem.what)})")


def _reader(path: Path, bundle: Bundle | None) -> Callable[[Request], Dataset]:
    if bundle is None:
        return lambda request: read(path, request)
    about = wanted(bundle.modality, labels=True)
    return lambda request: read_as_fitted(lambda wish: read(path, wish), request, bundle.columns, about)


def _unlabelled(look: Callable[[Request], Dataset], request: Request, why: str) -> Dataset:
    found = check(look(replace(request, label=None, labelled=False)))
    return replace(found, labels=None, notes=(*found.notes, f"{why}: only drift can be told."))


def _refuse_no_label(found: Dataset) -> None:
    lost = [each for each in found.skipped if not each.foreign]
    if not len(found) and lost and all(each.reason == NO_LABEL for each in lost):
        raise DataError(
            f"Not one of the {len(lost)} items has a label.",
            hint="Fill them in, or leave --label out to tell of drift.",
        )


def _begun_small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def fitting(data: Dataset, bundle: Bundle) -> None:
    """Raise DataError unless the items of `data` are of the kind that the model takes."""
    if data.items.modality != bundle.modality:
        raise DataError(
            f"'{data.name}' holds items of the kind '{data.items.modality}', but the model takes '{bundle.modality}'.",
            hint="Name the right column: --input COLUMN",
        )


def labelled(data: Dataset, bundle: Bundle) -> Sequence[str]:
    """The labels of `data`; raises DataError unless some are classes of the bundle, and the items of its kind."""
    fitting(data, bundle)
    if data.labels is None:
        raise DataError(f"'{data.name}' carries no labels, so nothing can be measured.", hint="Name them: --label")
    unknown = sorted(set(data.labels) - set(bundle.target.classes))
    if unknown and len(unknown) == len(set(data.labels)):
        raise DataError(
            f"The model does not know the classes {listing(unknown)}; it knows {listing(bundle.target.classes, 20)}.",
            hint="Rename or leave out these items. If these are no classes: --no-labels tells of drift alone.",
        )
    return data.labels


def unseen(data: Dataset, bundle: Bundle) -> Dataset:
    """`data` less the items that the fit has seen, by content; raises DataError where none is left."""
    if not len(data):
        raise DataError(f"'{data.name}' holds no items to look at.", hint="Look for another folder or file.")
    seen = bundle.seen()
    kept = data.take([row for row in range(len(data)) if not _contents(data, row) & seen])
    if not len(kept):
        raise DataError(
            f"The model has seen all {len(data)} items of '{data.name}' in training, so they prove nothing.",
            hint="Give data that were not part of the fit.",
        )
    return kept


def _contents(data: Dataset, row: int) -> set[str]:
    """The digests that an item is known by: a text in a file of its own also by that of the text alone."""
    raw, digest = data.items.raws[row], data.items.digests[row]
    alone = (raw, raw.strip()) if isinstance(raw, str) else ()  # a file ends with an end of line
    return {digest, *(sha256_bytes(text.encode("utf-8")) for text in alone)}


def judge(
    bundle: Bundle,
    data: Dataset,
    *,
    metric: str | None,
    positive: str | None,
    seed: int,
    copies: Collection[int] = (),
) -> dict[str, Any]:
    """Every number on labelled items, with intervals, as JSON values: "test", "acceptance", and those of `watch`.

    Items of classes that the model does not know cannot be answered right. They are left out of "test" and counted by
    class in "unknown"; they do count for drift. copies: rows that are near copies of training items; "near_copies" says
    how good the model is without them. "own": what the fit itself had found, None where that is not known.
    """
    labels = labelled(data, bundle)
    classes = bundle.target.classes
    extra = [named(metric.replace("-", "_"), classes, positive)] if metric else []
    found = _answer(bundle, data)
    known = frozenset(classes)
    judged = found.among([row for row in found.rows.tolist() if labels[row] in known])
    if not len(judged.rows):
        raise DataError(f"No item of '{data.name}' with a class that the model knows can be read.")
    truth, shares = bundle.target.encode([labels[row] for row in judged.rows.tolist()]), judged.shares
    for each in extra:
        _refuse_no_value(each, truth, shares)
    asked = float(bundle.thresholds.asked or 0.95)
    test = evaluate(truth, shares, classes, rng=_rng(seed), groups=judged.groups, metrics=extra)
    return {
        "test": test,
        "acceptance": accepted(shares, truth, bundle.accept_from, asked, judged.groups, judged.strange).to_json(),
        **_watched(bundle, found, seed),
        "n": len(judged.rows),
        "unknown": dict(
            sorted(Counter(labels[row] for row in found.rows.tolist() if labels[row] not in known).items())
        ),
        "near_copies": _near_copies(judged, truth, copies, seed),
        "own": None if bundle.estimate is None else bundle.estimate.to_json(),
    }


def _near_copies(judged: _Answered, truth: Index, copies: Collection[int], seed: int) -> dict[str, Any]:
    """How many of the judged items are near copies of training items, and the accuracy without them."""
    near = np.isin(judged.rows, list(copies))
    left = without(ACCURACY, truth, judged.shares, near, rng=_rng(seed), groups=judged.groups) if near.any() else None
    return {"n": int(near.sum()), "accuracy_without": None if left is None else left.to_json()}


def _refuse_no_value(metric: Metric, labels: Index, shares: npt.NDArray[np.float64]) -> None:
    """Raise where a metric that was asked for has no value on these items: it would be left out without a word."""
    if len(labels) < metric.smallest:
        raise RequestError(
            f"Metric '{metric.name}' means something from {metric.smallest} items on, but there are {len(labels)}.",
            hint="Add items, or use another --metric.",
        )
    try:
        metric.value(labels, shares)
    except UndefinedMetric as error:
        raise RequestError(
            f"Metric '{metric.name}' has no value on these {len(labels)} items. {metric.undefined}",
            hint="Add such items, or use another --metric.",
        ) from error


def watch(bundle: Bundle, data: Dataset, *, seed: int) -> dict[str, Any]:
    """What can be told of items without labels, as JSON values: "n", "drift" and "unreadable"."""
    fitting(data, bundle)
    return _watched(bundle, _answer(bundle, data), seed)


@dataclass(frozen=True)
class _Answered:
    """The readable items of a dataset and what the model says of them: rows (M,), probabilities (M, C), groups (M,)."""

    data: Dataset
    predictions: Predictions
    rows: Index
    shares: npt.NDArray[np.float64]
    groups: Index | None
    strange: npt.NDArray[np.bool_] | None

    def among(self, rows: Sequence[int]) -> _Answered:
        """The same for some of the rows."""
        at = np.flatnonzero(np.isin(self.rows, list(rows)))
        return replace(
            self,
            rows=self.rows[at],
            shares=self.shares[at],
            groups=None if self.groups is None else self.groups[at],
            strange=None if self.strange is None else self.strange[at],
        )


def _answer(bundle: Bundle, data: Dataset) -> _Answered:
    predictions = bundle.predict(data.items.raws)
    refuse_if_too_many([Skipped(data.items.ids[row], why) for row, why in predictions.errors.items()], len(data))
    rows = np.array([row for row in range(len(data)) if row not in predictions.errors], dtype=np.int64)
    groups = None if data.groups is None else np.unique(np.array(data.groups)[rows], return_inverse=True)[1]
    strange = None if predictions.unfamiliar is None else predictions.unfamiliar[rows]
    shares = predictions.probabilities[rows].astype(np.float64)
    return _Answered(data, predictions, rows, shares, groups, strange)


def _watched(bundle: Bundle, found: _Answered, seed: int) -> dict[str, Any]:
    known, classes = bundle.thresholds, bundle.target.classes
    changed = drift(
        found.shares,
        classes,
        known.reference,
        unfamiliar=found.strange,
        expected=known.expected,
        rng=Randomness(seed).numpy("drift"),
        groups=found.groups,
    )
    ids, errors = found.data.items.ids, found.predictions.errors
    return {
        "n": len(found.rows),
        "drift": changed.to_json(classes),
        "unreadable": [{"id": ids[row], "reason": why} for row, why in sorted(errors.items())],
    }


def _rng(seed: int) -> np.random.Generator:
    return Randomness(seed).numpy("evaluate")
