"""How good a bundle is on labelled data that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keiki.artifacts.bundle import Bundle
from keiki.core.errors import DataError
from keiki.core.random import Randomness
from keiki.data.names import listing
from keiki.data.task import Dataset
from keiki.evaluation.protocol import evaluate
from keiki.evaluation.thresholds import accepted
from keiki.metrics.base import named


def labelled(data: Dataset, bundle: Bundle) -> Sequence[str]:
    """The labels of `data`; raises DataError unless every one is a class of the bundle, and the items of its kind."""
    if data.items.modality != bundle.modality:
        raise DataError(
            f"'{data.name}' holds items of the kind '{data.items.modality}', but the model takes '{bundle.modality}'.",
            hint="Name the right column: --input COLUMN",
        )
    if data.labels is None:
        raise DataError(f"'{data.name}' carries no labels, so nothing can be measured.", hint="Name them: --label")
    if unknown := sorted(set(data.labels) - set(bundle.target.classes)):
        raise DataError(
            f"The model does not know the classes {listing(unknown)}; it knows {listing(bundle.target.classes, 20)}.",
            hint="Rename or leave out these items.",
        )
    return data.labels


def unseen(data: Dataset, bundle: Bundle) -> Dataset:
    """`data` less the items that the fit has seen, by content; raises DataError where none is left."""
    seen = bundle.seen()
    kept = data.take([row for row, digest in enumerate(data.items.digests) if digest not in seen])
    if not len(kept):
        raise DataError(
            f"The model has seen all {len(data)} items of '{data.name}' in training, so they prove nothing.",
            hint="Give data that were not part of the fit.",
        )
    return kept


def judge(bundle: Bundle, data: Dataset, *, metric: str | None, positive: str | None, seed: int) -> dict[str, Any]:
    """Every number on labelled items, with intervals, as JSON values: "test", "acceptance", "n" and "unreadable"."""
    labels = labelled(data, bundle)
    classes = bundle.target.classes
    extra = [named(metric, classes, positive)] if metric else []
    predictions = bundle.predict(data.items.raws)
    rows = np.array([row for row in range(len(data)) if row not in predictions.errors], dtype=np.int64)
    if not len(rows):
        raise DataError(
            f"None of the {len(data)} items of '{data.name}' is readable.", hint=_reasons(predictions.errors)
        )
    truth, shares = bundle.target.encode(labels)[rows], predictions.probabilities[rows].astype(np.float64)
    groups = None if data.groups is None else np.unique(np.array(data.groups)[rows], return_inverse=True)[1]
    rng = Randomness(seed).numpy("evaluate")
    asked = float(bundle.facts["thresholds"].get("asked_accuracy") or 0.95)
    return {
        "n": len(rows),
        "test": evaluate(truth, shares, classes, rng=rng, groups=groups, metrics=extra),
        "acceptance": accepted(shares, truth, bundle.accept_from, asked, groups).to_json(),
        "unreadable": [{"id": data.items.ids[row], "reason": why} for row, why in sorted(predictions.errors.items())],
    }


def _reasons(errors: Any) -> str:
    return f"The first: {next(iter(errors.values()))}."
