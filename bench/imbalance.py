"""Classes of unlike size: what weights, a sampler and logit adjustment do to accuracy, macro recall and log loss.

    python -m bench.imbalance               writes bench/results/imbalance.json

A long tail is cut into the training items: class c keeps n_max * ratio^(-c / (C - 1)) of them, the classes in an order
drawn anew each time. A linear head is trained on features of the frozen backbone as fine-tuning trains its own (AdamW,
10 epochs of batches of 32, a fifth held back to stop by), from zeros and from a probe, by each way of balancing; and
from the probe until everything fits (60 epochs at ten times the rate, no stopping), which is where large networks get.
'natural' figures weigh the test items' classes by the training items' shares, 'macro' ones weigh all classes alike.
Log losses are after a temperature that was fitted on the held-back fifth, as after a fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from bench import data
from bench.cells import commit
from keiki.backbones.base import load
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.files import write_json
from keiki.core.record import Record
from keiki.data.load import load_task
from keiki.data.sources.base import Request
from keiki.data.task import Index
from keiki.engines.plan import make_plan
from keiki.methods.balancing import Balance, Kind, class_counts
from keiki.nn.heads import Head
from keiki.nn.linear import LinearHead
from keiki.nn.logistic_path import cross_validate_logistic
from keiki.nn.losses import ItemLoss
from keiki.nn.softmax import FloatArray, cross_entropy_per_item
from keiki.nn.temperature import fit_temperature
from keiki.training.schedule import rate_factor

RESULTS = Path(__file__).resolve().parent / "results" / "imbalance.json"
SAMPLE = Path(data.__file__).parents[1] / "keiki" / "sample"
DRAWS, BATCH = 5, 32
WAYS: tuple[Kind, ...] = ("none", "weights", "sampler", "logit-adjustment")


@dataclass(frozen=True)
class Course:
    """How the head is trained; patience 0 takes the last epoch."""

    name: str
    probe: bool
    epochs: int = 10
    rate: float = 1e-3
    patience: int = 3


COURSES = (Course("zeros", False), Course("probe", True), Course("probe, all fits", True, 60, 1e-2, 0))


@dataclass(frozen=True)
class Set:
    """Features (N, D) and labels (N,), and which rows may be learned from in each draw; the rest are for the test."""

    features: FloatArray
    labels: Index
    sides: list[tuple[Index, Index]]
    largest: int
    ratios: tuple[int, ...]


def sets() -> Iterator[tuple[str, Set]]:
    """The real sets, the quick ones first."""
    for name, backbone, column in (("names", "minilm-l6", "text"), ("emoji", "efficientnet-lite0", "file")):
        request = Request(label="label", group="group", input=column)
        file = str(SAMPLE / ("texts.csv" if column == "text" else "pictures.csv"))
        tasks = [load_task(file, test=0.4, seed=seed, request=request) for seed in range(DRAWS)]
        sides = [(task.train, task.test) for task in tasks]
        yield name, Set(_features(backbone, tasks[0].items), tasks[0].labels, sides, 30, (3, 10))
    task = load_task(str(data.fashion(3000)))
    features = _features("efficientnet-lite0", task.items)
    yield "fashion", Set(features, task.labels, [(task.train, task.test)] * DRAWS, 250, (3, 10, 50))


def _features(backbone: str, items: Any) -> FloatArray:
    bank = FeatureBank(open_cache(), make_plan(), Record())
    bank.register(items)
    return np.asarray(bank.extract(load(backbone), items), dtype=np.float64)


def long_tail(labels: Index, largest: int, ratio: float, rng: np.random.Generator) -> Index:
    """Rows of a long tail: `largest` items of one class, a `ratio`-th of that of the last."""
    n_classes = labels.max() + 1
    sizes = np.rint(largest * ratio ** (-np.arange(n_classes) / (n_classes - 1))).astype(int)
    rows = [
        rng.permutation(np.flatnonzero(labels == each))[:size]
        for each, size in zip(rng.permutation(n_classes), sizes, strict=True)
    ]
    return np.concatenate(rows)


def trained(
    learn: tuple[FloatArray, Index],
    held: tuple[FloatArray, Index],
    balance: Balance,
    start: LinearHead | None,
    course: Course,
    rng: np.random.Generator,
) -> LinearHead:
    """The head of the epoch with the least held-back loss, or of the last one."""
    x, y = torch.tensor(learn[0], dtype=torch.float32), torch.tensor(learn[1])
    head = Head(x.shape[1], len(balance.counts))
    if start is not None:
        head.place(balance.lifted(start))
    loss = ItemLoss(weights=balance.weights, shift=balance.shift)
    optimizer = torch.optim.AdamW(head.parameters(), lr=course.rate, weight_decay=0.01)
    drawn, steps = balance.sampler(learn[1]), -(-len(x) // BATCH)
    best, kept, waited = np.inf, _arrays(head), 0
    for epoch in range(course.epochs + 1):
        now = balance.held_out_loss(_arrays(head).logits(held[0]), held[1])
        better = now < best or not course.patience
        best, kept, waited = (now, _arrays(head), 0) if better else (best, kept, waited + 1)
        if epoch == course.epochs or (course.patience and waited == course.patience):
            break
        order = rng.permutation(len(x)) if drawn is None else rng.choice(len(x), len(x), p=drawn / drawn.sum())
        for number, at in enumerate(np.array_split(order, steps)):
            step = epoch * steps + number
            optimizer.param_groups[0]["lr"] = course.rate * rate_factor(step, course.epochs * steps, 0.1, "cosine")
            optimizer.zero_grad()
            loss(head(x[at]), y[at]).mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return kept


def _arrays(head: Head) -> LinearHead:
    return LinearHead(head.weight.detach().double().numpy(), head.bias.detach().double().numpy())


def figures(logits: FloatArray, labels: Index, prior: FloatArray) -> dict[str, float]:
    """Natural and macro figures, and the recall of the smallest third of the classes."""
    n_classes = len(prior)
    right, losses = logits.argmax(axis=1) == labels, cross_entropy_per_item(logits, labels)
    recall = np.array([right[labels == each].mean() for each in range(n_classes)])
    log_loss = np.array([losses[labels == each].mean() for each in range(n_classes)])
    small = np.argsort(prior)[: n_classes // 3]
    return {
        "accuracy": float(prior @ recall),
        "macro_recall": float(recall.mean()),
        "rare_recall": float(recall[small].mean()),
        "log_loss": float(prior @ log_loss),
        "macro_log_loss": float(log_loss.mean()),
    }


def measure(name: str, each: Set, ratio: int, draw: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng([2026, draw, ratio])
    learnable, test = each.sides[draw]
    rows = learnable[long_tail(each.labels[learnable], each.largest, ratio, rng)]
    folds = np.empty(len(rows), dtype=np.int64)
    for label in np.unique(each.labels[rows]):
        own = rng.permutation(np.flatnonzero(each.labels[rows] == label))
        folds[own] = (np.arange(len(own)) + rng.integers(5)) % 5
    learn, held = rows[folds > 0], rows[folds == 0]
    counts = class_counts(each.labels[learn], int(each.labels.max()) + 1)
    prior = class_counts(each.labels[rows], len(counts)) / len(rows)
    probe = cross_validate_logistic(
        each.features[learn], each.labels[learn], len(counts), (folds[folds > 0] - 1)[None], None
    ).head
    inside = each.features[learn], each.labels[learn]
    outside = each.features[held], each.labels[held]
    for course in COURSES:
        for way in WAYS:
            balance = Balance(way, "", counts)
            first = probe if course.probe else None
            head = trained(inside, outside, balance, first, course, np.random.default_rng(draw))
            t = fit_temperature(head.logits(each.features[held]), each.labels[held])
            found = figures(head.logits(each.features[test]) / t, each.labels[test], prior)
            yield {
                "set": name,
                "ratio": ratio,
                "draw": draw,
                "start": course.name,
                "way": way,
                "temperature": t,
                **found,
            }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the draws, and the differences to no balance with their standard errors."""
    keys = sorted({(row["set"], row["ratio"], row["start"]) for row in rows})
    out = []
    for at in keys:
        here = [row for row in rows if (row["set"], row["ratio"], row["start"]) == at]
        plain = [row for row in here if row["way"] == "none"]
        for way in WAYS:
            mine = [row for row in here if row["way"] == way]
            line: dict[str, Any] = {"set": at[0], "ratio": at[1], "start": at[2], "way": way, "draws": len(mine)}
            for figure in ("accuracy", "macro_recall", "rare_recall", "log_loss", "macro_log_loss"):
                values = np.array([row[figure] for row in mine])
                gain = values - np.array([row[figure] for row in plain])
                line[figure] = round(float(values.mean()), 4)
                line[f"{figure}_gain"] = round(float(gain.mean()), 4)
                line[f"{figure}_error"] = round(float(gain.std(ddof=1) / np.sqrt(len(gain))), 4)
            out.append(line)
    return out


def main() -> None:
    torch.set_num_threads(1)
    began = process_time()
    rows = []
    for name, each in sets():
        for ratio in each.ratios:
            for draw in range(DRAWS):
                rows += list(measure(name, each, ratio, draw))
    table = summary(rows)
    for line in table:
        print(*(f"{value:>8.3f}" if isinstance(value, float) else f"{value!s:>9}" for value in line.values()))
    write_json(
        RESULTS, {"commit": commit(), "cpu_seconds": round(process_time() - began), "table": table, "rows": rows}
    )


if __name__ == "__main__":
    main()
