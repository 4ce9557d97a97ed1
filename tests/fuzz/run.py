"""All of it: `make fuzz`, or

    python tests/fuzz/run.py [--malformed 3000] [--mutations 20000] [--seed 0]

Counts what became of every input and exits 1 where one crashed, hung, was accepted though malformed, wrote outside its
folder, or where memory grew by more than 5 % over the mutations. The offending inputs are kept, and named.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import mutations  # noqa: E402  # its folder has to be known first
from harness import Verdict, judge  # noqa: E402
from malformed import KINDS, Case  # noqa: E402

from keiki.data.sources.base import Request  # noqa: E402

GROWTH = 0.05
WARM = 0.1  # of the mutations, before memory is measured
FINE = ("refused", "skipped")


def main() -> None:
    parser = argparse.ArgumentParser(description="Feed keiki what is broken.")
    parser.add_argument("--malformed", type=int, default=3000)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="keiki-fuzz-"))
    os.environ["KEIKI_CACHE"] = str(home / "cache")
    bad = malformed_inputs(home, options.malformed, options.seed) + mutants(home, options.mutations, options.seed)
    for line in bad:
        print(line)
    if not bad:
        shutil.rmtree(home)
    sys.exit(1 if bad else 0)


def malformed_inputs(home: Path, n: int, seed: int) -> list[str]:
    """Every kind in turn. Returns a line for each that was not answered as it should be."""
    bad, counts = [], Counter[str]()
    kinds = list(KINDS)
    for i in range(n):
        name = kinds[i % len(kinds)]
        folder = home / "malformed" / f"{i:05d}"
        case = KINDS[name](folder, np.random.default_rng([seed, i]))
        verdict = judge(case.path, case.request, home)
        counts[verdict.outcome] += 1
        wrong = fault(case, verdict)
        if wrong:
            bad.append(f"{name} ({folder}): {wrong}")
        else:
            shutil.rmtree(folder)
    print(f"{n} malformed inputs of {len(kinds)} kinds: {dict(counts)}")
    return bad


def fault(case: Case, verdict: Verdict) -> str:
    """What is wrong with the answer to a malformed input, '' if nothing is."""
    if verdict.outcome not in FINE:
        return f"{verdict.outcome} after {verdict.seconds:.1f} s\n{verdict.told}"
    if verdict.outcome == "skipped" and case.bad is not None and case.bad not in verdict.told:
        return f"'{case.bad}' is not among the skipped: {verdict.told}"
    return ""


def mutants(home: Path, n: int, seed: int) -> list[str]:
    """Returns a line for each mutation that broke something, and one where memory grew."""
    bad, counts, before = [], Counter[str](), 0
    rng = np.random.default_rng([seed, 1])
    for i, path in enumerate(mutations.cases(home / "mutants", rng, n)):
        if i == int(WARM * n):
            before = resident()
        verdict = judge(path, Request(), home)
        counts[verdict.outcome] += 1
        if verdict.outcome not in (*FINE, "accepted"):
            kept = home / f"broken-{i}"
            shutil.copytree(path, kept) if path.is_dir() else shutil.copy(path, kept)
            bad.append(f"mutation {i} ({kept}, was {path.name}): {verdict.outcome}\n{verdict.told}")
    after = resident()
    print(f"{n} mutations: {dict(counts)}; memory {before / 2**20:.0f} -> {after / 2**20:.0f} MiB")
    if after > (1 + GROWTH) * before:
        bad.append(f"memory grew by {after / before - 1:.1%}")
    return bad


def resident() -> int:
    """Bytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
