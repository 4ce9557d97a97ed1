"""Does it pay to label what `keiki suggest` names? Start with 5 items a class, add 50 by each strategy or at random.

    python bench/suggest.py [--draws 10] [--out bench/results/suggest.json]

Frozen features, the probe and its calibration as in a fit; the pool's labels are looked at only once an item has been
chosen. Random is the mean of three draws of 50 for each start, so that the comparison is paired and less noisy. The
gain is in points of accuracy on test items that were in no pool; its interval is over the starts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import data
from bench.ratios import mean_difference
from keiki.backbones.base import load
from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.files import write_json
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.deal import clusters, deal
from keiki.data.folds import inner_folds
from keiki.data.sources.base import Request, read
from keiki.data.task import Dataset
from keiki.engines.plan import make_plan
from keiki.evaluation.acquisition import STRATEGIES, choose
from keiki.nn.logistic_path import cross_validate_logistic
from keiki.nn.softmax import cross_entropy_per_item, softmax
from keiki.nn.temperature import fit_temperature

SAMPLE = Path(__file__).resolve().parent.parent / "keiki" / "sample"
OUT = Path(__file__).resolve().parent / "results" / "suggest.json"
EACH, ADDED, RANDOM_DRAWS = 5, 50, 3
TEST_SHARE = 0.3
FASHION = 3000

Array = np.ndarray[Any, np.dtype[Any]]
Choose = Callable[[Array, Array, int], Array]  # (shares, features, n) -> rows


@dataclass(frozen=True)
class Space:
    """A set of items as features: labels, clusters, and the rows that may be in a pool (None: drawn anew each time)."""

    features: Array
    labels: Array
    groups: Array
    pool: Array | None = None


@dataclass(frozen=True)
class Score:
    """How good a probe is on the test items."""

    accuracy: float
    log_loss: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    start = time.perf_counter()
    found = {
        name: measured(space, range(asked.first, asked.first + asked.draws), STRATEGY)
        for name, space in spaces().items()
    }
    settings = {"start_per_class": EACH, "added": ADDED, "draws": asked.draws, "random_draws": RANDOM_DRAWS}
    write_json(asked.out, {**settings, "sets": found, "seconds": round(time.perf_counter() - start, 1)})
    for name, facts in found.items():
        for by, figures in facts["by"].items():
            gain = figures["points_over_random"]
            ends = "" if gain["low"] is None else f" ({gain['low']:+.1f} to {gain['high']:+.1f})"
            print(f"{name:9} {by:8} {figures['accuracy']:.3f}  {gain['value']:+.1f}{ends}")


STRATEGY: dict[str, Choose] = {
    by: (lambda shares, features, n, by=by: choose(by, shares, features, n, np.random.default_rng(0)).rows)  # type: ignore[misc]
    for by in STRATEGIES
}


def spaces() -> dict[str, Space]:
    """Emoji pictures and their names, split anew in each draw, and Fashion-MNIST as it is split."""
    pictures = read(SAMPLE / "pictures.csv", Request(input="file", label="label", group="group"))
    names = read(SAMPLE / "texts.csv", Request(input="text", label="label", group="group"))
    fashion = read(data.fashion(FASHION))
    trained = np.array([part == "train" for part in fashion.parts])
    return {
        "pictures": space(pictures, "efficientnet-lite0"),
        "names": space(names, "minilm-l6"),
        "fashion": replace(space(fashion, "efficientnet-lite0"), pool=np.flatnonzero(trained)),
    }


def space(dataset: Dataset, backbone: str) -> Space:
    """The frozen features of a dataset."""
    bank = FeatureBank(open_cache(), make_plan(), Record())
    bank.register(dataset.items)
    features = bank.extract(load(backbone), dataset.items)
    labels = np.unique(np.array(dataset.labels), return_inverse=True)[1].astype(np.int64)
    groups = clusters(dataset.items.digests, dataset.groups or [None] * len(dataset))
    return Space(features, labels, groups)


def measured(space: Space, draws: range, strategies: dict[str, Choose]) -> dict[str, Any]:
    """Every strategy on the same starts."""
    scores: dict[str, list[Score]] = {name: [] for name in ("start", "random", *strategies)}
    for draw in draws:
        for name, score in one_draw(space, draw, strategies):
            scores[name].append(score)
    random = [score.accuracy for score in scores["random"]]
    return {
        "start": _mean(scores["start"]),
        "random": _mean(scores["random"]),
        "by": {
            name: {
                **_mean(scores[name]),
                "points_over_random": _points([score.accuracy for score in scores[name]], random),
            }
            for name in strategies
        },
    }


def one_draw(space: Space, draw: int, strategies: dict[str, Choose]) -> Iterator[tuple[str, Score]]:
    """One start: its own score, that of random additions, that of each strategy."""
    random = Randomness(draw)
    pool, test = _sides(space, random)
    of_class = (pool[space.labels[pool] == c] for c in np.unique(space.labels))
    first = np.concatenate([random.numpy("start", c).permutation(rows)[:EACH] for c, rows in enumerate(of_class)])
    rest = np.setdiff1d(pool, first)
    head, temperature = fitted(space, first, random)
    yield "start", scored(space, head, temperature, test)
    shares = softmax(head.logits(space.features[rest]) / temperature)
    tries = [random.numpy("random", i).permutation(rest)[:ADDED] for i in range(RANDOM_DRAWS)]
    luck = [scored(space, *fitted(space, np.concatenate([first, rows]), random), test) for rows in tries]
    yield "random", Score(float(np.mean([s.accuracy for s in luck])), float(np.mean([s.log_loss for s in luck])))
    for name, pick in strategies.items():
        rows = rest[pick(shares, space.features[rest], ADDED)]
        yield name, scored(space, *fitted(space, np.concatenate([first, rows]), random), test)


def _sides(space: Space, random: Randomness) -> tuple[Array, Array]:
    """Rows of the pool and of the test set; whole clusters on one side."""
    everything = np.arange(len(space.labels))
    if space.pool is not None:
        return space.pool, np.setdiff1d(everything, space.pool)
    sides = deal(space.labels, space.groups, [TEST_SHARE, 1 - TEST_SHARE], random.numpy("sides"))
    return everything[sides == 1], everything[sides == 0]


def fitted(space: Space, rows: Array, random: Randomness) -> tuple[Any, float]:
    """The probe on these rows and its temperature, as in a fit."""
    rows = np.sort(rows)
    labels, n_classes = space.labels[rows], int(space.labels.max()) + 1
    folds = inner_folds(labels, space.groups[rows], np.zeros(len(rows), dtype=bool), random)
    path = cross_validate_logistic(space.features[rows], labels, n_classes, folds)
    return path.head, fit_temperature(path.chosen_logits, labels)


def scored(space: Space, head: Any, temperature: float, test: Array) -> Score:
    """Accuracy and log loss on the test rows."""
    logits = head.logits(space.features[test]) / temperature
    labels = space.labels[test]
    return Score(float((logits.argmax(axis=1) == labels).mean()), float(cross_entropy_per_item(logits, labels).mean()))


def _mean(scores: list[Score]) -> dict[str, float]:
    accuracy, log_loss = (np.mean([getattr(score, name) for score in scores]) for name in ("accuracy", "log_loss"))
    return {"accuracy": round(float(accuracy), 4), "log_loss": round(float(log_loss), 4)}


def _points(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    found = asdict(mean_difference([100 * each for each in ours], [100 * each for each in theirs]))
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in found.items()}


if __name__ == "__main__":
    main()
