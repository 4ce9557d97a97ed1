"""The figures that keiki promises, measured: `make bench-quick`, or

    .venv/bin/python bench/quick.py [--fastai-draws 10] [--only engines,fits] [--fresh] [--smoke]

Writes bench/results/cells/*.json (one a measurement; only missing ones are measured, so that a run can be stopped and
continued), bench/results/quick.json and bench/results/quick.md. Wants a quiet machine: the load stands beside every
measurement. Data come by package manager (npm, apt-get download), fastai into an environment of its own, bench/.venv.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import suites, table
from bench.cells import Cells, ChildFailed
from bench.packages import CACHE
from keiki.core.files import write_json, write_text

RESULTS = Path(__file__).resolve().parent / "results"
SUITES = {
    "starts": suites.start_up,
    "engines": suites.engines,
    "fits": suites.small_fits,
    "passes": suites.feature_passes,
    "fashion": suites.large_fit,
    "reports": suites.reports,
    "fastai": suites.fastai_fits,
}
PACKAGES = ("keiki", "numpy", "onnxruntime", "pillow", "scikit-learn", "timm", "torch", "transformers")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def main() -> None:
    options = arguments()
    results = CACHE / "smoke" if options.smoke else RESULTS
    scale = suites.SMOKE if options.smoke else suites.Scale()
    scale = replace(scale, fastai_draws=options.fastai_draws, beside=options.beside)
    cells = Cells(results / "cells", fresh=options.fresh, say=lambda line: print(line, file=sys.stderr, flush=True))
    failed = measure([] if options.table else options.only or list(SUITES), cells, scale)
    found = cells.read()
    rows = table.figures(found)
    facts = machine(found)
    content = {"schema": 1, "machine": facts, "scale": asdict(scale), "figures": [row.to_json() for row in rows]}
    write_json(results / "quick.json", {**content, "failed": failed})
    page = table.markdown(rows, facts)
    write_text(results / "quick.md", page)
    print(page)
    sys.exit(1 if failed else 0)


def measure(names: list[str], cells: Cells, scale: suites.Scale) -> list[str]:
    """Run the suites; one that fails does not stop the others. Returns which failed; why is said, not kept."""
    failed = []
    if names:
        suites.warm_up(scale)
    for name in names:
        try:
            SUITES[name](cells, scale)
        except ChildFailed as problem:
            cells.say(f"{name} failed: {problem}")
            failed.append(name)
    return failed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the figures that keiki promises.")
    parser.add_argument("--fastai-draws", type=int, default=1, metavar="N", help="draws with fastai, minutes each")
    parser.add_argument("--beside", type=int, default=10, metavar="N", help="of those measured beside fastai again")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help=f"of: {', '.join(SUITES)}")
    parser.add_argument("--table", action="store_true", help="measure nothing, only make the table anew")
    parser.add_argument("--fresh", action="store_true", help="measure again what is there")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that everything runs; results apart")
    options = parser.parse_args()
    unknown = set(options.only) - {*SUITES}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}")
    return options


def machine(cells: table.Store) -> dict[str, Any]:
    """What the figures depend on besides keiki."""
    loads = [cell["load"]["before"] for cell in cells.values()]
    info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in fields.items()}
    flags = facts.get("flags", "").split()
    return {
        "cpu": facts.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "load": {"least": min(loads, default=None), "most": max(loads, default=None)},
        "commits": sorted({cell["commit"] for cell in cells.values()}),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


if __name__ == "__main__":
    main()
