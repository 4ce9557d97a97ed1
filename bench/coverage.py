"""How often the intervals cover the truth: simulated draws from populations whose true figures are known.

    .venv/bin/python bench/coverage.py [--draws 2000] [--processes 2]

A population is a recipe for items: true class, and the probabilities that one or two models give, from noisy logits.
The true figure is that of a sample so large that its own error is a thirtieth of an interval's width. Then many small
test sets are drawn, and it is counted how often each interval holds the truth. Writes bench/results/coverage.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from keiki.core.files import write_json
from keiki.evaluation.intervals import Interval
from keiki.evaluation.protocol import estimates
from keiki.evaluation.shares import share
from keiki.evaluation.thresholds import accepted
from keiki.evaluation.verdict import paired_difference
from keiki.metrics.accuracy import correct
from keiki.metrics.base import METRICS

RESULTS = Path(__file__).resolve().parent / "results" / "coverage.json"
TRUTH_ITEMS = 400_000
CHUNK = 50  # draws that one process does at a time
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Drawn = tuple[Integers, Floats, Floats, Integers]  # labels (N,), probabilities of two models (N, C), groups (N,)


@dataclass(frozen=True)
class Case:
    """One population and the size of the test sets drawn from it.

    strength: how clearly the first model sees the class; gain: by how much less the second does. skew: ratio of the
    commonest class to the rarest. cluster: items a group, which share `shared` of the noise's variance and the class;
    with `uneven` groups their mean, the largest group having some twenty times as many.
    """

    name: str
    n: int
    classes: int
    strength: float
    gain: float = 0.4
    skew: float = 1.0
    cluster: int = 1
    shared: float = 0.0
    uneven: bool = False


CASES = (
    Case("120 items, 4 classes", 120, 4, 2.0),
    Case("400 items, 10 classes", 400, 10, 2.5),
    Case("120 items, 2 classes, 9 of 10 in one", 120, 2, 2.0, skew=9.0),
    Case("400 items, 6 classes, 10 to 1", 400, 6, 2.5, skew=10.0),
    Case("300 items, 3 classes, nearly all right", 300, 3, 4.5),
    Case("400 items in groups of 4, 4 classes", 400, 4, 2.0, cluster=4, shared=0.5),
    Case("400 items in groups of 1 to 60, 4 classes", 400, 4, 2.0, cluster=5, shared=0.5, uneven=True),
)


def draw(case: Case, n: int, rng: np.random.Generator) -> Drawn:
    """`n` items of the population; models see the class through correlated noise."""
    groups = _groups(case, n, rng)
    shares = case.skew ** -np.linspace(0, 1, case.classes)
    labels = rng.choice(case.classes, size=groups[-1] + 1, p=shares / shares.sum())[groups]
    common = rng.normal(size=(n, case.classes))
    together = rng.normal(size=(groups[-1] + 1, case.classes))[groups]
    common = np.sqrt(1 - case.shared) * common + np.sqrt(case.shared) * together
    signal = np.eye(case.classes)[labels]
    logits = [
        strength * signal + np.sqrt(0.6) * common + np.sqrt(0.4) * rng.normal(size=(n, case.classes))
        for strength in (case.strength, case.strength - case.gain)
    ]
    first, second = (_softmax(2.0 * each) for each in logits)
    return labels, first, second, groups


def _groups(case: Case, n: int, rng: np.random.Generator) -> Integers:
    """The group of each item (n,), ascending from 0; uneven sizes follow a Pareto law, cut at 60."""
    if not case.uneven:
        return np.arange(n) // case.cluster
    sizes = np.minimum(60, np.ceil(rng.pareto(1.2, size=n) * case.cluster / 3 + 1e-9)).astype(np.int64)
    return np.repeat(np.arange(n), sizes)[:n]


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


METRIC_NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "roc_auc", "log_loss", "brier")
PAIRED = ("accuracy", "macro_f1", "log_loss")
SURE = 0.9  # the probability from which an answer is accepted, fixed beforehand


def intervals(case: Case, drawn: Drawn, rng: np.random.Generator) -> dict[str, Interval]:
    """Every interval that a report shows of these items, by name."""
    labels, first, second, groups = drawn
    clusters = groups if case.cluster > 1 else None
    found = {
        f"{name}": interval
        for name, interval in estimates(
            [METRICS.get(name) for name in METRIC_NAMES], labels, first, rng=rng, groups=clusters
        ).items()
    }
    for name in PAIRED:
        found[f"difference of {name}"] = paired_difference(
            METRICS.get(name), labels, first, second, rng=rng, groups=clusters
        )
    taken = accepted(first, labels, SURE, groups=clusters)
    found["share of answers accepted"] = taken.share
    if taken.accuracy is not None:
        found["accuracy of answers accepted"] = taken.accuracy
    found["recall of a class"] = share(
        correct(labels, first)[labels == 0], None if clusters is None else clusters[labels == 0]
    )
    return found


@cache
def truths(case: Case) -> dict[str, float]:
    """The true figures."""
    labels, first, second, _ = draw(case, TRUTH_ITEMS, np.random.default_rng(12345))
    out = {name: METRICS.get(name).value(labels, first) for name in METRIC_NAMES}
    for name in PAIRED:
        metric = METRICS.get(name)
        sign = 1 if metric.higher_is_better else -1
        out[f"difference of {name}"] = sign * (metric.value(labels, first) - metric.value(labels, second))
    sure = first.max(axis=1) >= SURE
    out["share of answers accepted"] = float(sure.mean())
    out["accuracy of answers accepted"] = float(correct(labels, first)[sure].mean())
    out["recall of a class"] = float(correct(labels, first)[labels == 0].mean())
    return out


def covered(job: tuple[Case, int, int]) -> dict[str, tuple[int, int, float]]:
    """Of one chunk of draws: how many intervals held the truth, how many there were, and their widths' sum."""
    case, seed, n_draws = job
    truth = truths(case)
    counts: dict[str, list[float]] = {}
    for number in range(seed, seed + n_draws):
        rng = np.random.default_rng([number, case.n, case.classes])
        for name, interval in intervals(case, draw(case, case.n, rng), rng).items():
            cell = counts.setdefault(name, [0, 0, 0.0])
            if np.isfinite([interval.low, interval.high]).all():
                cell[0] += interval.low <= truth[name] <= interval.high
                cell[1] += 1
                cell[2] += interval.width
    return {name: (int(c[0]), int(c[1]), c[2]) for name, c in counts.items()}


def jobs(draws: int) -> Iterator[tuple[Case, int, int]]:
    for case in CASES:
        for start in range(0, draws, CHUNK):
            yield case, start, min(CHUNK, draws - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="Count how often the intervals cover the truth.")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    sums: dict[tuple[str, str], list[float]] = {}
    work = list(jobs(options.draws))
    with ProcessPoolExecutor(options.processes, initializer=threadpool_limits, initargs=(1,)) as pool:
        for (case, start, n), found in zip(work, pool.map(covered, work), strict=True):
            for name, cell in found.items():
                total = sums.setdefault((case.name, name), [0, 0, 0.0])
                for i, value in enumerate(cell):
                    total[i] += value
            print(f"{case.name}: {start + n}", file=sys.stderr, flush=True)
    rows = [
        {"case": case, "interval": name, "coverage": hits / n, "width": width / n, "draws": int(n)}
        for (case, name), (hits, n, width) in sums.items()
    ]
    write_json(RESULTS, {"schema": 1, "draws": options.draws, "cases": [asdict(case) for case in CASES], "rows": rows})
    for row in sorted(rows, key=lambda row: row["coverage"]):
        print(f"{row['coverage']:.4f}  {row['interval']:34} {row['case']}")


if __name__ == "__main__":
    main()
