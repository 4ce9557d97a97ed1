"""Planted label errors: does the list of suspects begin with them?

    python -m bench.label_errors               writes bench/results/label_errors.json

In each real set 5 % of the labels are changed to another class drawn by chance. The probe's out-of-fold probabilities
rank all items; the figure is the average precision of that ranking beside the base rate, and how good the items are
that `keiki` would list.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import data
from bench.cells import commit
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.files import write_json
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.split import make_task
from keiki.data.task import Dataset, Task
from keiki.engines.plan import make_plan
from keiki.evaluation.suspects import doubtful, label_quality
from keiki.methods.base import METHODS, FloatArray
from keiki.nn.temperature import fit_temperature, with_temperature
from keiki.pipeline.prepare import choose_backbone, look, read_all
from keiki.pipeline.request import FitRequest
from keiki.selection.budget import Budget
from keiki.selection.select import select
from keiki.selection.workshop import Workshop

RESULTS = Path(__file__).resolve().parent / "results" / "label_errors.json"
SHARE = 0.05
SEEDS = (0, 1, 2, 3, 4)
SAMPLE = Path(data.__file__).parents[1] / "keiki" / "sample"


def requests() -> dict[str, FitRequest]:
    """The real sets."""
    return {
        "emoji sample": FitRequest(data=str(SAMPLE / "pictures.csv"), label="label", group="group", input="file"),
        "fashion": FitRequest(data=str(data.fashion(1000) / "train")),
        "names of emoji": FitRequest(data=str(SAMPLE / "texts.csv"), label="label", group="group", input="text"),
    }


def spoiled(dataset: Dataset, rng: np.random.Generator) -> tuple[Dataset, set[str]]:
    """The dataset with wrong labels, and the contents of the items that have one."""
    labels = list(dataset.labels or ())
    classes = sorted(set(labels))
    wrong = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    for row in wrong.tolist():
        others = [name for name in classes if name != labels[row]]
        labels[row] = others[int(rng.integers(len(others)))]
    return replace(dataset, labels=tuple(labels)), {dataset.items.digests[row] for row in wrong.tolist()}


def answers(task: Task, request: FitRequest, bank: FeatureBank) -> FloatArray:
    """Out-of-fold probabilities of the probe for the task's training view."""
    backbone = choose_backbone(request, task.modality)
    shop = Workshop(backbone, open_cache(), bank, make_plan(), Randomness(0), Record())
    found = select(shop, task.training_view(), task.items.take([]), [METHODS.get("linear-probe")()], [], Budget(None))
    logits = found.outcomes[found.winner].out_of_fold
    return with_temperature(logits, fit_temperature(logits, task.training_view().labels, unseen=0))


def measure(name: str, request: FitRequest) -> Iterator[dict[str, object]]:
    from sklearn.metrics import average_precision_score

    bank = FeatureBank(open_cache(), make_plan(), Record())
    pieces = read_all(request)
    seen = look(pieces, bank, choose_backbone(request, pieces.data.items.modality), [], Randomness(0), Record())
    for seed in SEEDS:
        dataset, wrong = spoiled(seen.pieces.data, np.random.default_rng([2026, seed]))
        task = make_task(dataset, seed=seed, alike=seen.alike.keys)
        view = task.training_view()
        probabilities = answers(task, request, bank)
        is_wrong = np.array([content in wrong for content in view.items.digests])
        listed = doubtful(view.labels, probabilities)
        right = (probabilities.argmax(axis=1) == view.labels)[~is_wrong].mean()
        precision = float(average_precision_score(is_wrong, -label_quality(view.labels, probabilities)))
        yield {
            "set": name,
            "seed": seed,
            "items": len(view),
            "wrong": int(is_wrong.sum()),
            "accuracy_on_sound_labels": round(float(right), 3),
            "average_precision": round(precision, 4),
            "times_base_rate": round(float(precision / is_wrong.mean()), 2),
            "listed": len(listed),
            "listed_that_are_wrong": int(is_wrong[listed].sum()),
        }


def main() -> None:
    rows = []
    for name, request in requests().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        for row in measure(name, request):
            rows.append(row)
            print(row, flush=True)
    sets = {
        name: {
            key: round(float(np.mean([float(str(row[key])) for row in rows if row["set"] == name])), 3)
            for key in ("average_precision", "times_base_rate", "listed", "listed_that_are_wrong", "wrong")
        }
        for name in dict.fromkeys(str(row["set"]) for row in rows)
    }
    write_json(RESULTS, {"commit": commit(), "target": {"times_base_rate": 3}, "sets": sets, "rows": rows})


if __name__ == "__main__":
    main()
