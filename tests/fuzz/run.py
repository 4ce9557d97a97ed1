"""All of it: `make fuzz`, or

    python tests/fuzz/run.py [--malformed 3000] [--mutations 20000] [--seed 0] [--results bench/results/fuzz.json]

Counts what became of every input and exits 1 where one crashed, hung, was accepted though malformed, or wrote where it
must not, or where memory grew by more than 5 % over the mutations. The offending inputs are kept, and named.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT)]

import hostile  # noqa: E402, F401  # its kinds; its folder has to be known first
import mutations  # noqa: E402
from harness import LIMIT, Verdict, judge  # noqa: E402
from malformed import KINDS, Case  # noqa: E402

from bench.cells import commit  # noqa: E402
from keiki.core.files import write_json  # noqa: E402
from keiki.data.sources.base import Request  # noqa: E402

GROWTH = 0.05
WARM = 0.1  # of the mutations, before memory is measured
FINE = ("refused", "skipped")
RESULTS = ROOT / "bench" / "results" / "fuzz.json"


@dataclass
class Tally:
    """What became of the inputs of one kind, and how long the slowest took."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def add(self, verdict: Verdict) -> None:
        self.outcomes[verdict.outcome] += 1
        self.slowest = max(self.slowest, verdict.seconds)

    def to_json(self) -> dict[str, int | float]:
        told = {outcome.replace(" ", "_"): count for outcome, count in sorted(self.outcomes.items())}
        return {"cases": self.outcomes.total(), **told, "slowest_seconds": round(self.slowest, 3)}


@dataclass
class Found:
    """All that is written down: tallies by kind and by format, faults, and bytes before and after the mutations."""

    malformed: dict[str, Tally] = field(default_factory=dict)
    mutations: dict[str, Tally] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    before: int = 0
    after: int = 0

    @property
    def growth(self) -> float:
        return self.after / max(1, self.before) - 1

    def to_json(self, seed: int) -> dict[str, object]:
        return {
            "commit": commit(),
            "seed": seed,
            "limits": {"seconds": LIMIT, "growth": GROWTH},
            "faults": len(self.bad),
            "memory": {
                "before_mib": round(self.before / 2**20, 1),
                "after_mib": round(self.after / 2**20, 1),
                "growth": round(self.growth, 4),
            },
            "malformed": {name: tally.to_json() for name, tally in self.malformed.items()},
            "mutations": {name: tally.to_json() for name, tally in self.mutations.items()},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Feed keiki what is broken.")
    parser.add_argument("--malformed", type=int, default=3000)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="keiki-fuzz-"))
    os.environ["KEIKI_CACHE"] = str(home / "cache")
    found = Found()
    malformed_inputs(home, options.malformed, options.seed, found)
    mutants(home, options.mutations, options.seed, found)
    write_json(options.results, found.to_json(options.seed))
    for line in found.bad:
        print(line)
    if not found.bad:
        shutil.rmtree(home)
    sys.exit(1 if found.bad else 0)


def malformed_inputs(home: Path, n: int, seed: int, found: Found) -> None:
    """Every kind in turn; faults are those that were not answered as they should be."""
    kinds = list(KINDS)
    for i in range(n):
        name = kinds[i % len(kinds)]
        folder = home / "malformed" / f"{i:05d}"
        case = KINDS[name](folder, np.random.default_rng([seed, i]))
        verdict = judge(case.path, case.request)
        found.malformed.setdefault(name, Tally()).add(verdict)
        wrong = fault(case, verdict)
        if wrong:
            found.bad.append(f"{name} ({folder}): {wrong}")
        else:
            shutil.rmtree(folder)
    print(f"{n} malformed inputs of {len(kinds)} kinds: {summed(found.malformed)}")


def summed(tallies: Mapping[str, Tally]) -> dict[str, int]:
    return dict(sum((each.outcomes for each in tallies.values()), Counter[str]()))


def fault(case: Case, verdict: Verdict) -> str:
    """What is wrong with the answer to a malformed input, '' if nothing is."""
    if verdict.outcome not in FINE:
        return f"{verdict.outcome} after {verdict.seconds:.1f} s\n{verdict.told}"
    if verdict.outcome == "skipped" and case.bad is not None and case.bad not in verdict.told:
        return f"'{case.bad}' is not among the skipped: {verdict.told}"
    return ""


def mutants(home: Path, n: int, seed: int, found: Found) -> None:
    """Faults are mutations that broke something, and memory that grew."""
    rng = np.random.default_rng([seed, 1])
    for i, path in enumerate(mutations.cases(home / "mutants", rng, n)):
        if i == int(WARM * n):
            found.before = resident()
        verdict = judge(path, Request())
        found.mutations.setdefault(path.suffix[1:] or path.name, Tally()).add(verdict)
        if verdict.outcome not in (*FINE, "accepted"):
            kept = home / f"broken-{i}"
            shutil.copytree(path, kept) if path.is_dir() else shutil.copy(path, kept)
            found.bad.append(f"mutation {i} ({kept}, was {path.name}): {verdict.outcome}\n{verdict.told}")
    found.after = resident()
    memory = f"memory {found.before / 2**20:.0f} -> {found.after / 2**20:.0f} MiB"
    print(f"{n} mutations: {summed(found.mutations)}; {memory}")
    if found.growth > GROWTH:
        found.bad.append(f"memory grew by {found.growth:.1%}")


def resident() -> int:
    """Bytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
