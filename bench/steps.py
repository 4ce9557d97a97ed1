"""How fast a training step is, in pairs in one process: `make steps`, or

    python bench/steps.py [--pairs 30] [--only last-block,last-third,minilm,lite0]

last-block, last-third  EfficientNet-Lite0, 32 pictures of 224 px: the fastest full step that plain torch offers (eager,
                        channels_last, bf16 autocast, both; chosen by timing) against keiki's step from the cached
                        boundary, reading the cache included
minilm, lite0           plain torch in eager fp32 against keiki's step as it chooses to compute it, on the same batches,
                        which are in memory

A step is: forward, cross-entropy, backward, clipping, AdamW. Each pair runs in an order drawn anew; of the short side
as many steps are taken as last about as long as one of the other, and their mean counts. Medians, ratios with a
bootstrap interval over pairs, and the load of the machine go to bench/results/steps.json.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import data, openmoji
from bench.cells import commit
from bench.packages import CACHE
from bench.ratios import median, median_ratio
from bench.tuning import LAST_THIRD, code, machine, say, vectors
from keiki.core.files import read_json, write_json

if TYPE_CHECKING:
    from keiki.data.task import Batch, TrainView
    from keiki.training.pace import Pace

RESULTS = Path(__file__).resolve().parent / "results" / "steps.json"
BATCH = 32
LAST_BLOCK = "-2"  # the last block of Lite0 and the convolution behind it
CLASSES, TEXTS = 16, 640
MOST_SHORT = 20  # steps of the short side in a pair, at most
Facts = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One comparison: how many times faster keiki has to be."""

    kind: str
    options: Mapping[str, object]
    words: str
    goal: float


ROWS = {
    "last-block": Row("pictures", {"freeze": LAST_BLOCK}, "Lite0: fastest full step / last block from the cache", 25.0),
    "last-third": Row("pictures", {"freeze": LAST_THIRD}, "Lite0: fastest full step / last third from the cache", 8.0),
    "minilm": Row("texts", {}, "MiniLM: torch eager fp32 / keiki's step", 2.0),
    "lite0": Row("pictures", {}, "Lite0: torch eager fp32 / keiki's step", 1.0),
}


class Ground:
    """Items of one kind with everything that a fit on them needs."""

    def __init__(self, kind: str) -> None:
        from keiki.backbones.base import load
        from keiki.backbones.cache import Cache
        from keiki.backbones.features import FeatureBank
        from keiki.core.record import Record
        from keiki.data.split import make_task
        from keiki.engines.plan import make_plan

        self.kind = kind
        self.backbone = load("efficientnet-lite0" if kind == "pictures" else "minilm-l6")
        self.plan = make_plan()
        self.task = make_task(_pictures() if kind == "pictures" else _texts(), val=None, test=None)
        self.bank = FeatureBank(Cache(CACHE / "tuning"), self.plan, Record())
        self.bank.register(self.task.items)

    @property
    def view(self) -> TrainView:
        return self.task.training_view()

    def keiki(self, options: Mapping[str, object], pace: Pace) -> Keiki:
        return Keiki(self, options, pace)

    def chosen(self, options: Mapping[str, object]) -> Pace:
        """How keiki computes steps where a fit is long enough to choose: by its own two timed steps of each way."""
        from keiki.training.pace import Pace, fastest

        def seconds_of(pace: Pace) -> float:
            return self.keiki(options, pace).descent.seconds_a_step()

        plain = Pace(threads=self.plan.threads)
        self.keiki(options, plain).ready()  # what is kept of the items is there before anything is timed
        return fastest(plain, seconds_of, has_maps=self.kind == "pictures")


def _pictures() -> Any:
    from keiki.data.sources.base import read

    return read(openmoji.folder(0, openmoji.MOST))


def _texts() -> Any:
    """Epigrams of many lengths under labels drawn by lot: only the time of a step is asked for."""
    from keiki.core.files import sha256_bytes
    from keiki.data.task import Dataset, Items

    raws = data.fortunes(TEXTS)
    ids = tuple(f"{number:04d}" for number in range(TEXTS))
    items = Items("text", ids, tuple(raws), tuple(sha256_bytes(text.encode()) for text in raws))
    labels = tuple(f"{label:02d}" for label in np.random.default_rng(0).integers(0, CLASSES, TEXTS))
    return Dataset("epigrams", items, labels, ("",) * TEXTS)


class Keiki:
    """keiki's own step: the descent of full fine-tuning, on batches of its own feed."""

    def __init__(self, ground: Ground, options: Mapping[str, object], pace: Pace) -> None:
        from keiki.core.random import Randomness
        from keiki.methods.base import Descend, make
        from keiki.training.descent import Descent

        method = make("full-finetune", {"start": "zeros", "batch_size": BATCH, **options})
        self.model = method.build(ground.backbone, ground.task.target, ground.bank)
        phase = next(each for each in method.phases(self.model, ground.view) if isinstance(each, Descend))
        self.descent = Descent(phase, self.model.network, Randomness(0), pace)
        self._batches: Iterator[Batch] = iter(())
        self._step = 0

    def ready(self) -> None:
        """Prepare all items once: decoded pictures, activations, whatever is kept of them."""
        self.descent._make_ready()
        for _ in self.descent.phase.feed.batches(0, self.descent.random):
            pass
        self._batches = self.descent._endless()

    def step(self, batch: Batch | None = None) -> None:
        """One step: on the next whole batch, which is read or made now, or on one that is there."""
        while batch is None or len(batch.labels) < BATCH:
            batch = next(self._batches)
        self.descent._step(self._step % 10, batch)
        self._step += 1


class Plain:
    """A step in plain torch, with the network in one layout and one precision."""

    def __init__(self, ground: Ground, *, channels_last: bool = False, bf16: bool = False) -> None:
        import torch

        from keiki.nn.network import BodyAndHead

        body = ground.backbone.module()
        network = BodyAndHead(body, ground.backbone.network_width, len(ground.task.target.classes)).train()
        self.network = network.to(memory_format=torch.channels_last) if channels_last else network
        self.channels_last, self.bf16 = channels_last, bf16
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-5, weight_decay=0.01)

    @property
    def name(self) -> str:
        return " ".join(["channels_last"] * self.channels_last + ["bf16"] * self.bf16) or "eager fp32"

    def step(self, batch: Batch) -> None:
        import torch
        from torch.nn import functional

        inputs = {name: torch.from_numpy(np.array(array)) for name, array in batch.inputs.items()}
        if self.channels_last:
            inputs = {name: tensor.to(memory_format=torch.channels_last) for name, tensor in inputs.items()}
        with torch.autocast("cpu", dtype=torch.bfloat16) if self.bf16 else nullcontext():
            loss = functional.cross_entropy(self.network(inputs), torch.from_numpy(batch.labels))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        loss.item()


def measure(name: str, pairs: int) -> Facts:
    """One row."""
    import torch

    row = ROWS[name]
    ground = Ground(row.kind)
    torch.set_num_threads(ground.plan.threads)
    load = os.getloadavg()[0]
    pace = ground.chosen(row.options)
    ours = ground.keiki(row.options, pace)
    ours.ready()
    batches = _full_batches(ground)
    theirs, tried = _fastest(ground, batches) if row.options else (Plain(ground), {})
    with pace.at_work():
        timed = _in_turns(pairs, ours, theirs, batches, same=not row.options)
    ratio = median_ratio([theirs for _, theirs in timed], [ours for ours, _ in timed])
    return {
        "words": row.words,
        "items": BATCH,
        "threads": ground.plan.threads,
        "pace": pace.to_json(),
        "against": theirs.name,
        "tried": tried,
        "keiki_seconds": median([ours for ours, _ in timed]).value,
        "torch_seconds": median([theirs for _, theirs in timed]).value,
        "times_faster": asdict(ratio),
        "goal": row.goal,
        "reached": ratio.value >= row.goal,
        "pairs": [[round(one, 6), round(other, 6)] for one, other in timed],
        "load": {"before": round(load, 2), "after": round(os.getloadavg()[0], 2)},
        "vectors": vectors(),
        "code": code(),
        "commit": commit(),
    }


def _full_batches(ground: Ground) -> list[Batch]:
    """Whole batches of prepared items, for plain torch."""
    from keiki.core.random import Randomness
    from keiki.data.feeds import Feed

    view = ground.view
    feed = Feed(view.items, view.labels, ground.backbone.transform, BATCH)
    return [batch for batch in feed.batches(0, Randomness(0)) if len(batch.labels) == BATCH][:8]


def _fastest(ground: Ground, batches: Sequence[Batch]) -> tuple[Plain, dict[str, float]]:
    """The fastest of plain torch's full steps, and the median seconds of each."""
    ways = [Plain(ground, channels_last=layout, bf16=bf16) for layout in (False, True) for bf16 in (False, True)]
    for way in ways:
        way.step(batches[0])
    spent: dict[str, list[float]] = {way.name: [] for way in ways}
    for batch in batches[:4]:
        for way in ways:
            spent[way.name].append(seconds(lambda way=way, batch=batch: way.step(batch)))
    found = {name: float(np.median(values)) for name, values in spent.items()}
    return min(ways, key=lambda way: found[way.name]), {name: round(value, 4) for name, value in found.items()}


def _in_turns(
    pairs: int, ours: Keiki, theirs: Plain, batches: Sequence[Batch], same: bool
) -> list[tuple[float, float]]:
    """Seconds of a step, ours and theirs, pair by pair; with `same` both sides are given the batch, else ours reads."""
    rng = np.random.default_rng(0)

    def mine(batch: Batch) -> None:
        ours.step(batch if same else None)

    for batch in batches[:2]:
        mine(batch)
        theirs.step(batch)
    one, other = (seconds(lambda step=step: step(batches[0])) for step in (mine, theirs.step))
    steps = 1 if same else int(np.clip(round(other / one), 1, MOST_SHORT))
    timed = []
    for number in range(pairs):
        batch = batches[number % len(batches)]
        sides = {
            "ours": lambda batch=batch: seconds(lambda: [mine(batch) for _ in range(steps)]) / steps,
            "theirs": lambda batch=batch: seconds(lambda: theirs.step(batch)),
        }
        order = list(sides)[:: 1 if rng.random() < 0.5 else -1]
        found = {name: sides[name]() for name in order}
        timed.append((found["ours"], found["theirs"]))
    return timed


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(ROWS), help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if unknown := [name for name in options.only if name not in ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}; there are: {', '.join(ROWS)}")
    rows = dict(read_json(options.out)["rows"]) if options.out.is_file() else {}
    for name in options.only:
        say(f"{name} ...")
        rows[name] = measure(name, options.pairs)
        write_json(options.out, {"schema": 1, "machine": machine(), "rows": rows})
    for name, row in rows.items():
        found = row["times_faster"]
        ends = "" if found["low"] is None else f" ({found['low']:.2f} to {found['high']:.2f})"
        print(f"{name:11} {found['value']:.2f} times faster{ends}, goal {row['goal']:g}; against {row['against']}")


if __name__ == "__main__":
    main()
