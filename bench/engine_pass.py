"""The frozen pass: ONNX Runtime against eager torch on the same prepared items, in one process, in turns.

    python bench/engine_pass.py efficientnet-lite0 --pairs 12

keiki takes the batches of its plan (texts: by padded tokens), torch batches of 32 sorted by length, as
sentence-transformers does; `same_batches` has both on keiki's. Pairs run in an order drawn anew; between pairs the
engine also runs against itself (A/A), which shows what of a ratio is noise. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import data
from keiki.backbones.base import Backbone, load
from keiki.backbones.cache import open_cache
from keiki.data.batches import cuts
from keiki.engines.convert import relative_difference
from keiki.engines.onnx import OnnxEngine
from keiki.engines.plan import Plan, make_plan

BATCH = 32
Batch = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("backbone", choices=("efficientnet-lite0", "minilm-l6"))
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--items", type=int, default=256)
    options = parser.parse_args()

    backbone = load(options.backbone)
    plan = make_plan()
    batches, usual = prepared(backbone, options.items, plan)
    threads = plan.threads
    ours, theirs = runners(backbone, threads)
    difference = max(relative_difference(ours(batch), theirs(batch)) for batch in batches[:2])  # and warms both up
    pairs, twins = in_turns(options.pairs, lambda: seconds(ours, batches), lambda: seconds(theirs, usual))
    same = [[seconds(ours, batches), seconds(theirs, batches)] for _ in range(options.pairs // 3)]
    facts = {
        "items": options.items,
        "batch": BATCH,
        "threads": threads,
        "pairs": pairs,
        "twins": twins,
        "same_batches": same,
        "difference": difference,
        "items_per_second": round(options.items / float(np.median([ours for ours, _ in pairs])), 1),
    }
    print(json.dumps(facts))


def prepared(backbone: Backbone, n: int, plan: Plan) -> tuple[list[Batch], list[Batch]]:
    """Items sorted by length in the batches of keiki's plan (texts: by padded tokens), and in batches of 32."""
    transform = backbone.transform
    raws = sorted(data.emoji_draw(0).rglob("*.png"))[:n] if backbone.card.modality == "image" else data.fortunes(n)
    items = sorted((transform.prepare(raw) for raw in raws), key=transform.cost)
    costs = [transform.cost(item) for item in items]
    ours = [dict(transform.collate(items[part])) for part in cuts(costs, plan.batch_size, plan.batch_cost)]
    return ours, [dict(transform.collate(items[start : start + BATCH])) for start in range(0, len(items), BATCH)]


def runners(backbone: Backbone, threads: int) -> tuple[Callable[[Batch], Any], Callable[[Batch], Any]]:
    """The engine and eager torch, each with all cores."""
    import torch

    graph = backbone.graph(backbone.transform, open_cache().graphs)
    if graph is None:
        raise SystemExit(f"'{backbone.card.name}' has no graph")
    engine, module = OnnxEngine(graph, threads), backbone.module()
    torch.set_num_threads(threads)

    def eager(batch: Batch) -> Any:
        with torch.inference_mode():
            return module(**{name: torch.from_numpy(array) for name, array in batch.items()}).numpy()

    return engine.run, eager


def seconds(run: Callable[[Batch], Any], batches: list[Batch]) -> float:
    start = time.perf_counter()
    for batch in batches:
        run(batch)
    return time.perf_counter() - start


def in_turns(
    n: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[list[list[float]], list[list[float]]]:
    """`n` pairs (ours, theirs) and as many (ours, ours), interleaved, each pair in an order drawn anew."""
    rng = np.random.default_rng(0)
    pairs, twins = [], []
    for _ in range(n):
        first_theirs = [theirs()] if rng.random() < 0.5 else []
        one = ours()
        pairs.append([one, *(first_theirs or [theirs()])])
        twins.append([ours(), ours()])
    return pairs, twins


if __name__ == "__main__":
    main()
