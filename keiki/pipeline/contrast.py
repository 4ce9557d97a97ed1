"""In what runs differ besides their score: wishes, costs, classes, single items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from keiki.data.task import Index
from keiki.evaluation.report.comparing import ClassRow, Difference, Disagreement
from keiki.metrics.base import Floats
from keiki.pipeline.finished import Finished, at

MOST_ITEMS = 40
Number = TypeVar("Number", int, float)
_OWN = {"out"}  # wishes that say nothing of the result
_PROTOCOLS = {"given": "on a given test set", "held-out": "on a test set apart", "nested": "by nested cross-validation"}


def cost(run: Finished) -> dict[str, Any]:
    """How a run came about and what it cost: the fields of `Entry` that its files tell."""
    return {
        "created": _moment(at(run.report, "created")),
        "method": str(at(run.summary, "method") or "unknown"),
        "backbone": str(at(run.summary, "backbone") or "unknown"),
        "n_train": _number(at(run.summary, "task", "train"), int),
        "total_seconds": _number(at(run.summary, "seconds", "total"), float),
        "prediction_ms": _number(at(run.report, "cost", "prediction_ms"), float),
        "bundle_bytes": _number(at(run.report, "cost", "bundle_bytes"), int),
        "peak_memory_bytes": _number(at(run.summary, "peak_memory_bytes"), int),
        "trained_parameters": _number(at(run.report, "cost", "trained_parameters"), int),
    }


def differences(runs: Sequence[Finished]) -> tuple[Difference, ...]:
    """Wishes, options, versions and data in which not all runs agree."""
    tables = [_wishes(run) for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = [Difference(name=name, values=tuple(_text(table.get(name)) for table in tables)) for name in names]
    return tuple(row for row in rows if len(set(row.values)) > 1)


def per_class(labels: Index, answers: Mapping[str, Floats], classes: Sequence[str]) -> tuple[ClassRow, ...]:
    """Share right of every class with items, those first in which the runs differ most."""
    right = [shares.argmax(axis=1) == labels for shares in answers.values()]
    rows = [
        ClassRow(
            name=name,
            support=int((labels == c).sum()),
            recalls=tuple(float(each[labels == c].mean()) for each in right),
        )
        for c, name in enumerate(classes)
        if (labels == c).any()
    ]
    return tuple(sorted(rows, key=lambda row: (min(row.recalls) - max(row.recalls), row.name)))


def disagreements(
    runs: Sequence[Finished],
    rows: Sequence[Index],
    labels: Index,
    answers: Mapping[str, Floats],
    classes: Sequence[str],
) -> tuple[int, tuple[Disagreement, ...]]:
    """How many items some runs decide right and others do not, and those that are widest apart.

    None is shown where a run was to keep the names of items out. With repeated answers the first of each item counts.
    """
    own, ids = runs[0].answers, runs[0].answers.ids
    _, first = np.unique(own.positions[rows[0]], return_index=True)
    decided = [shares.argmax(axis=1) for shares in answers.values()]
    right = np.stack([each == labels for each in decided])[:, first]
    torn = first[right.any(axis=0) & ~right.all(axis=0)]
    if ids is None or any(run.answers.ids is None for run in runs):
        return len(torn), ()
    true = np.stack([shares[torn, labels[torn]] for shares in answers.values()])
    order = np.argsort(true.min(axis=0) - true.max(axis=0), kind="stable")[:MOST_ITEMS]
    return len(torn), tuple(
        Disagreement(
            id=ids[int(rows[0][i])],
            label=classes[int(labels[i])],
            said=tuple(classes[int(each[i])] for each in decided),
        )
        for i in torn[order].tolist()
    )


def notes(runs: Sequence[Finished]) -> list[str]:
    """What has to be known before the figures are read."""
    found = []
    protocols = [run.answers.protocol for run in runs]
    if len(set(protocols)) > 1:
        each = ", ".join(f"{run.name} {_PROTOCOLS[run.answers.protocol]}" for run in runs)
        found.append(f"The runs were judged in different ways: {each}.")
    if "nested" in protocols:
        found.append("Figures of cross-validation are of the procedure: each item is answered by a model without it.")
    if set(protocols) == {"nested"} and len({run.answers.split for run in runs}) > 1:
        found.append("The folds differ, so a part of each difference is the luck of the folds.")
    return found


def _wishes(run: Finished) -> dict[str, Any]:
    config, options, versions = (_table(at(run.summary, name)) for name in ("config", "options", "versions"))
    data = at(run.summary, "digests", "data")
    return {
        **{name: value for name, value in config.items() if name not in _OWN},
        **{f"{name} (of the method)": value for name, value in options.items()},
        "items trained on": at(run.summary, "task", "train"),
        "digest of the data": str(data)[:12] if data else None,
        **{f"version of {name}": value for name, value in versions.items()},
    }


def _number(value: Any, kind: type[Number]) -> Number | None:
    """A figure as it stands in a file; None for anything else."""
    return kind(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _moment(value: Any) -> str | None:
    """A moment in ISO 8601; None for anything else."""
    try:
        return datetime.fromisoformat(value).isoformat(timespec="seconds")
    except (TypeError, ValueError):
        return None


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
