"""run.json: the answer of a fit for programs; `keiki fit --json` prints the same."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import version
from typing import Any

import numpy as np

from keiki.backbones.base import Backbone
from keiki.core.files import digest
from keiki.core.record import Record
from keiki.data.task import Task
from keiki.evaluation.report.start import Start
from keiki.pipeline import starts, trained
from keiki.pipeline.estimate import Estimate
from keiki.pipeline.evidence import Evidence, unasked
from keiki.pipeline.figures import in_items, items
from keiki.pipeline.findings import Findings
from keiki.pipeline.request import FitRequest
from keiki.selection.workshop import Outcome, Workshop

SCHEMA = 1
DENSE = 200  # classes up to which the confusion matrix is written out
VERSIONS = ("keiki", "numpy", "onnxruntime", "pillow", "tokenizers", "torch", "timm", "transformers", "scikit-image")
ESTIMATES = {"given": "held-out", "held-out": "held-out", "nested": "cross-validated procedure"}


def summarise(
    run: str,
    request: FitRequest,
    task: Task,
    estimate: Estimate,
    evidence: Evidence,
    shop: Workshop,
    warnings: list[dict[str, str]],
    findings: Findings,
    start: Start | None = None,
) -> dict[str, Any]:
    """Everything in run.json but what is known only at the very end (see `finish`)."""
    final = estimate.final
    winner = final.outcomes[final.winner]
    return {
        "schema": SCHEMA,
        "run": run,
        "task": {
            "name": task.name,
            "modality": task.modality,
            "kind": task.target.kind,
            "classes": list(task.target.classes),
            "train": len(task.train),
            "val": len(task.val),
            "test": len(task.test),
            "skipped": len(task.skipped),
            "split": task.protocol,
        },
        "backbone": shipped_backbone(winner, shop).card.name,
        "method": final.winner,
        "options": winner.method.config.to_json(),
        "selected_by": final.explanation,
        "metric": evidence.metric.name,
        "test": {"domain": "source", "estimate": ESTIMATES[task.protocol], **of_items(evidence.test, estimate)},
        "transfer": None if evidence.verdict is None else evidence.verdict.to_json(),
        "controls": [
            {
                "method": rival.method.name,
                evidence.metric.name: rival.score.to_json(),
                "difference": rival.difference.to_json(),
                "weak": rival.weak,
                "unfinished": rival.unfinished,
            }
            for rival in evidence.controls()
        ],
        "start": starts.to_json(start),
        "adaptation": {"decision": "not asked", "evidence": "", "method": ""},
        "thresholds": {"accept": evidence.threshold, "asked_accuracy": request.accuracy},
        "trainable_share": trainable_share(winner, shop),
        **trained.block(final, shop),
        "warnings": warnings,
        "findings": {**findings.to_json(), "clusters": len(findings.clusters), "suspects": findings.n_suspects},
        "notes": [*task.notes, *starts.notes(start), *final.notes, *unasked(final), *evidence.test["notes"]],
        "candidates": final.table,
        "config": request.to_json(),
        "versions": versions(),
        "digests": digests(task, shop),
    }


def of_items(test: dict[str, Any], estimate: Estimate) -> dict[str, Any]:
    """The test block with numbers of items. With repeated folds each item is answered several times: those answers are
    counted under "answers". The confusion matrix is listed as [true, predicted, n] where it would be large."""

    def count(n: float) -> int:
        return items(n, estimate)

    rows = in_items(np.array(test["confusion"]), estimate)
    cells = [[int(t), int(p), int(rows[t, p])] for t, p in np.argwhere(rows > 0)]
    matrix = rows.tolist() if len(rows) <= DENSE else None
    return {
        **test,
        "n": estimate.n_items,
        "answers": len(estimate.labels),
        "per_class": [{**row, **{k: count(row[k]) for k in ("support", "decided")}} for row in test["per_class"]],
        "reliability": [{**row, "n": count(row["n"])} for row in test["reliability"]],
        "confusion": matrix,
        **({} if matrix is not None else {"confusion_cells": cells}),
    }


def finish(summary: dict[str, Any], record: Record) -> dict[str, Any]:
    """The summary with seconds and memory, known at the end."""
    seconds = {"total": record.total_seconds(), **record.seconds}
    return {**summary, "seconds": {k: round(v, 3) for k, v in seconds.items()}, "peak_memory_bytes": peak_memory()}


def shipped_backbone(winner: Outcome, shop: Workshop) -> Backbone:
    """What the shipped model stands on; a control brings its own."""
    return winner.model.backbone if winner.model else shop.backbone


def total_parameters(winner: Outcome, shop: Workshop) -> int:
    """All parameters of the shipped model."""
    if winner.model is not None and winner.model.network is not None:
        return sum(parameter.numel() for parameter in winner.model.network.parameters())
    return winner.trained_parameters + shipped_backbone(winner, shop).card.parameters


def trainable_share(winner: Outcome, shop: Workshop) -> float:
    """Share of the shipped model's parameters that were fitted to the labels."""
    if "trainable" in winner.facts:
        return float(winner.facts["trainable"])
    return winner.trained_parameters / max(1, total_parameters(winner, shop))


def versions() -> dict[str, str]:
    """Versions of what can change a result."""
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}}


def digests(task: Task, shop: Workshop) -> dict[str, str]:
    """What the run was made from, as digests."""
    return {
        "data": digest([sorted(task.items.digests), list(task.target.classes)]),
        "test": test_digest(task),
        "backbone": shop.backbone.card.digest,
        "plan": digest(shop.plan.to_json()),
    }


def test_digest(task: Task) -> str:
    """What the ledger knows a test set by: its items and their labels, in any order."""
    rows = task.test if len(task.test) else range(len(task.items))
    return digest(sorted([task.items.digests[i], task.target.classes[task.labels[i]]] for i in rows))


def peak_memory() -> int:
    """Largest resident size of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def hardware() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
