"""Every way of fine-tuning on real pictures, against the probe on the same draw: `make bench-tuning`, or

    python bench/tuning.py [recipe|boundary|unfrozen|style ...] [--only lp-ft,l2-sp] [--draws 3] [--minutes 60]

recipe    5, 10 and 20 things a class, 10 draws: `fine-tune` as it is, against the probe and plain fine-tuning
boundary  the same draws: the last three stages are tuned by every method, the rest comes from the cache
unfrozen  10 things a class, 3 draws: the methods as they are
style     20 things a class, 5 draws: learned from pictures in colour, judged on line drawings of other things

One cell is one method on one draw, on a core of its own with one thread. Cells run draw by draw, so that a run that is
cut has met all methods alike; each is kept in bench/results/tuning.json as soon as it is measured, and only missing
ones are measured (with --stale also those that other code has made). docs/tuning.md is made from that file alone
(--table makes nothing else). A method that is new in the registry is a new row; what differs from its defaults stands
in `ON_BOUNDARY` and `UNFROZEN`.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import openmoji, packages, tuning_table
from bench.cells import commit
from bench.workers import side_by_side
from keiki.core.files import read_json, write_json, write_text
from keiki.methods.base import METHODS, make

RESULTS = Path(__file__).resolve().parent / "results" / "tuning.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "tuning.md"
BACKBONE = "efficientnet-lite0"
PROBE = "linear-probe"
LAST_STAGES = "-3"  # two blocks and the convolution behind them: about as good as the last third (docs/log.md)
LAST_THIRD = "-6"  # the last six stages of it: four blocks of 192 channels, one of 320, the convolution behind them
PACKAGES = ("numpy", "onnxruntime", "pillow", "scikit-learn", "timm", "torch")
CHARACTERS = 400  # of a fact that is kept with a cell

Options = Mapping[str, object]
# What a method is given; None: it has no row. Methods that are not named here are given `freeze` on the boundary, and
# nothing unfrozen.
ON_BOUNDARY: dict[str, Options | None] = {
    "fine-tune": None,  # its recipe chooses the depth: a suite of its own
    "surgical": None,  # chooses among blocks, of which two lie before the boundary
}
UNFROZEN: dict[str, Options | None] = {"fine-tune": None}
RECIPE: dict[str, Options] = {"full-finetune": {"freeze": LAST_THIRD}, "fine-tune": {}}
STYLE = ("full-finetune", "lp-ft", "wise-ft")


@dataclass(frozen=True)
class Cell:
    """One measurement: a method with options on one draw."""

    suite: str
    method: str
    each: int  # things of a class to learn from
    draw: int
    options: Options = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return f"{self.suite}/{self.method}/{self.each}/{self.draw}"

    def to_json(self) -> dict[str, Any]:
        plain = {"suite": self.suite, "method": self.method, "each": self.each, "draw": self.draw}
        return {**plain, "options": dict(self.options)}


@dataclass(frozen=True)
class Suite:
    """Sizes and draws, and what each method is given."""

    name: str
    sizes: tuple[int, ...]
    draws: int
    rows: Mapping[str, Options]

    def to_json(self) -> dict[str, Any]:
        rows = {name: dict(options) for name, options in self.rows.items()}
        return {"sizes": list(self.sizes), "draws": self.draws, "rows": rows}

    def cells(self, only: Sequence[str] = (), draws: int | None = None) -> Iterator[Cell]:
        """Draw by draw; the probe always, because everything is set against it."""
        names = [name for name in self.rows if not only or name in only or name == PROBE]
        for draw in range(self.draws if draws is None else min(draws, self.draws)):
            for each in self.sizes:
                for name in names:
                    yield Cell(self.name, name, each, draw, self.rows[name])


def suites() -> dict[str, Suite]:
    """All suites with what is registered at this moment."""
    boundary = given(ON_BOUNDARY, {"freeze": LAST_STAGES})
    style: dict[str, Options] = {name: {} for name in (PROBE, *STYLE)}
    return {
        "recipe": Suite("recipe", (5, 10, 20), 10, {PROBE: {}, **RECIPE}),
        "boundary": Suite("boundary", (5, 10, 20), 10, boundary),
        "unfrozen": Suite("unfrozen", (10,), 3, given(UNFROZEN, {})),
        "style": Suite("style", (20,), 5, style),
    }


def given(table: Mapping[str, Options | None], default: Options) -> dict[str, Options]:
    """Method -> options: the probe, then every registered method that moves pretrained weights."""
    names = sorted(n for n, kind in METHODS.items() if kind.gradient and "transfer" in kind.tags)
    rows = {name: table.get(name, default) for name in names if "image" in METHODS.get(name).modalities}
    return {PROBE: {}, **{name: options for name, options in rows.items() if options is not None}}


class Results:
    """The file of all cells, with the plan that they belong to; every measurement is written at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, dict[str, Any]]:
        """All cells by name."""
        return dict(read_json(self.path)["cells"]) if self.path.is_file() else {}

    def put(self, cell: Cell, facts: Mapping[str, Any]) -> None:
        cells = {**self.read(), cell.name: {**cell.to_json(), **facts}}
        plan = {name: suite.to_json() for name, suite in suites().items()}
        content = {"schema": 1, "machine": machine(), "code": code(), "plan": plan}
        write_json(self.path, {**content, "cells": dict(sorted(cells.items()))})

    def missing(self, cells: Sequence[Cell], made_by: str | None = None) -> list[Cell]:
        """Those that are not there, have failed, or had other options; with `made_by` also those of other code."""
        known = self.read()
        return [cell for cell in cells if not is_known(known.get(cell.name), cell, made_by)]


def is_known(found: Mapping[str, Any] | None, cell: Cell, made_by: str | None) -> bool:
    return (
        found is not None
        and "error" not in found
        and found["options"] == dict(cell.options)
        and made_by in (None, found["code"])
    )


def code() -> str:
    """What the fits of this moment are known by: a digest of all code below the selection."""
    from keiki.selection.workshop import code_digest

    return code_digest()[:16]


class Ground:
    """What all cells share: the backbone, and one list of all pictures, whose features are computed once."""

    def __init__(self, cache: Path) -> None:
        from keiki.backbones.base import load
        from keiki.backbones.cache import Cache
        from keiki.backbones.features import FeatureBank
        from keiki.core.record import Record
        from keiki.data.sources.base import read
        from keiki.engines.plan import make_plan

        self.plan = make_plan()
        self.cache = Cache(cache)
        self.bank = FeatureBank(self.cache, self.plan, Record())
        self.backbone = load(BACKBONE)
        self.decisions = cache / f"decisions-{os.getpid()}.json"  # another load may ask for another pace
        atexit.register(self.decisions.unlink, missing_ok=True)
        for style in openmoji.STYLES:
            self.bank.register(read(openmoji.pool() / style).items)

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Fit the cell's method and judge it."""
        from keiki.core.random import Randomness
        from keiki.core.record import Record
        from keiki.data.load import load_task
        from keiki.data.task import Items
        from keiki.selection.workshop import Workshop

        task = load_task(openmoji.folder(cell.draw, cell.each), seed=cell.draw)
        judged: dict[str, Items] = {"": task.items.take(task.test)}
        labels = {"": task.labels[task.test]}
        if cell.suite == "style":
            lines = load_task(openmoji.folder(cell.draw, cell.each, judged="black"), seed=cell.draw)
            judged = {"": lines.items.take(lines.test), "in_color_": judged[""]}
            labels = {"": lines.labels[lines.test], "in_color_": labels[""]}
        shop = Workshop(
            self.backbone,
            self.cache,
            self.bank,
            self.plan,
            Randomness(cell.draw),
            Record(),
            decisions=self.decisions,
        )
        view = task.training_view()
        start = time.perf_counter()
        outcome = shop.fit(make(cell.method, cell.options), view, sum(list(judged.values())[1:], judged[""]))
        seconds = time.perf_counter() - start
        cuts = np.cumsum([len(items) for items in judged.values()])[:-1]
        facts: dict[str, Any] = {"items": len(view), "seconds": round(seconds, 2)}
        temperature = _temperature(outcome, view)
        for name, logits in zip(judged, np.split(outcome.test, cuts), strict=True):
            facts |= {f"{name}{key}": value for key, value in score(logits, labels[name], temperature).items()}
        return {**facts, "trained_parameters": outcome.trained_parameters, **told(outcome.facts)}


def _temperature(outcome: Any, view: Any) -> float:
    """As in a fit: from out-of-fold answers."""
    from keiki.nn.temperature import fit_temperature

    rows = np.flatnonzero(np.isfinite(outcome.out_of_fold).all(axis=1))
    return fit_temperature(outcome.out_of_fold[rows], view.labels[rows]) if len(rows) else 1.0


def score(logits: Any, labels: Any, temperature: float) -> dict[str, Any]:
    """Accuracy and mean log loss (nats, calibrated as in a fit) of logits (N, C).

    >>> score(np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([0, 1]), 1.0)
    {'accuracy': 0.5, 'log_loss': 1.126928, 'judged': 2}
    """
    from keiki.nn.softmax import cross_entropy_per_item

    accuracy = float((logits.argmax(axis=1) == labels).mean())
    loss = float(cross_entropy_per_item(logits / temperature, labels).mean())
    return {"accuracy": round(accuracy, 6), "log_loss": round(loss, 6), "judged": len(labels)}


def told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a method chose and did, without long lists: its short facts, and of each curve how it ended."""
    curves = [
        {"phase": curve["phase"], "epochs": curve["epochs"][-1]["epoch"], **{k: curve[k] for k in _KEPT if k in curve}}
        for curve in facts.get("curves", [])
    ]
    short = {k: v for k, v in facts.items() if k not in _LONG and len(json.dumps(v)) <= CHARACTERS}
    return {"curves": curves, "chosen": short}


_KEPT = ("ended", "steps", "seconds", "pace")
_LONG = ("curves", "paths", "views", "moved")


def main() -> None:
    options = arguments()
    results = Results(options.out)
    failed = 0 if options.table else measure(results, wanted(options), options)
    if not results.path.is_file():
        sys.exit(f"{results.path} is not there yet: measure something first")
    content = read_json(results.path)
    if content["code"] != code():
        say("the code has changed since the last measurement: every cell is stale")
    page = tuning_table.page(content)
    write_text(options.page, page)
    print(page)
    sys.exit(1 if failed else 0)


def wanted(options: argparse.Namespace) -> list[Cell]:
    known = suites()
    return [cell for name in options.suites or known for cell in known[name].cells(options.only, options.draws)]


def measure(results: Results, cells: Sequence[Cell], options: argparse.Namespace) -> int:
    """Measure what is missing until the time is over; returns how many have failed."""
    todo = list(cells) if options.fresh else results.missing(cells, code() if options.stale else None)
    clock = Clock(60 * options.minutes)
    failed = done = 0
    if todo:
        openmoji.pool()  # fetched and drawn once, before anyone looks for it
    for cell, facts in side_by_side(measured, todo, clock.allows, options.jobs):
        clock.took(cell, facts["wall"])
        results.put(cell, facts)
        failed, done = failed + ("error" in facts), done + 1
        words = facts.get("error") or f"{100 * facts['accuracy']:.1f} %, {facts['seconds']:.1f} s"
        say(f"{done}/{len(todo)} {cell.name}: {words}")
    if done < len(todo):
        say(f"stopped after {options.minutes:g} minutes; {len(todo) - done} cells are missing: run it again")
    return failed


@cache
def ground() -> Ground:
    """That of this process."""
    return Ground(packages.CACHE / "tuning")


def measured(cell: Cell) -> dict[str, Any]:
    """The facts of a cell; of one that fails the error, which is told in full, does not stop the others, and is
    measured again next time."""
    load, start = os.getloadavg()[0], time.perf_counter()
    try:
        facts = ground().measure(cell)
    except Exception as problem:
        traceback.print_exc()
        facts = {"error": f"{type(problem).__name__}: {problem}"}
    gc.collect()
    wall = time.perf_counter() - start
    made = {"vectors": vectors(), "code": code(), "commit": commit()}
    return {**facts, "wall": round(wall, 2), "load": round(load, 2), **made}


class Clock:
    """Says whether a cell still fits into the time, by what its like has taken."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.known: dict[tuple[str, str, int], float] = {}

    def took(self, cell: Cell, seconds: float) -> None:
        self.known[cell.suite, cell.method, cell.each] = seconds

    def allows(self, cell: Cell) -> bool:
        return time.monotonic() + self.known.get((cell.suite, cell.method, cell.each), 0.0) < self.end


def machine() -> dict[str, Any]:
    """What figures depend on besides keiki."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="ascii", errors="replace").splitlines() if info.is_file() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    versions = {name: version(name) for name in PACKAGES}
    data = {"openmoji": packages.OPENMOJI, "resvg": packages.RESVG}
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "versions": versions, "data": data}


def vectors() -> str:
    """The widest vector instructions that torch uses here; machines of one name differ in them, and so do seconds."""
    import torch

    return torch.backends.cpu.get_cpu_capability()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def arguments(given_arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help=f"of: {', '.join(suites())}; default: all")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="these methods, and the probe")
    parser.add_argument("--draws", type=int, help="the first so many draws")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop cleanly after so many")
    parser.add_argument("--jobs", type=int, help="processes side by side, a core each; default: as many as cores")
    parser.add_argument("--stale", action="store_true", help="measure again what other code has made")
    parser.add_argument("--fresh", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="measure nothing, only make the page anew")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(given_arguments)
    if unknown := [name for name in options.suites if name not in suites()]:
        parser.error(f"no such suite: {', '.join(unknown)}; there are: {', '.join(suites())}")
    if unknown := [name for name in options.only if name not in METHODS.names()]:
        parser.error(f"no such method: {', '.join(unknown)}; there are: {', '.join(METHODS.names())}")
    return options


if __name__ == "__main__":
    main()
