"""kill -9 at random moments, then go on: does every run end with the same bits as one that was left in peace?

    python bench/kill.py [--points 100] [--minutes 60] [--fresh]      or: make kill

Three methods on pictures (EfficientNet-Lite0) and texts (MiniLM), one of them from a cached boundary. A point is a run
of its own, killed at a moment drawn uniformly from the time that the uninterrupted run took, and then gone on with;
every fourth is killed a second time while it goes on. Two ways (`bench.kill_runs`):

trainer  the training alone, in a forked process: features, the probe, the descent, checkpoints within epochs too, so
         that most kills fall into training and the writing of checkpoints. Compared: SHA-256 of all arrays of the
         model, out-of-fold answers included, and of the logits of the test items.
cli      `keiki fit` and `keiki fit --resume`, all of it; every sixth point. Compared: SHA-256 of
         bundle/model.safetensors and what run.json says, times and paths apart. A run that is killed before it has
         written down its request is begun anew, as its user would. Plans may differ between runs where they were made
         by the clock; each is compared with an uninterrupted run under its own plan, which `--resume` takes over from
         plan.json.

Each point has a cache of its own that holds nothing but converted graphs: features or activations that an earlier run
left there would hide that a kill had damaged them. bench/results/kill.json is written after every point, and a run that
is cut goes on, unless the code has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.cells import commit
from bench.kill_runs import WAYS, Facts, Failed, Way, Work, preload, start_trainer
from bench.packages import CACHE
from bench.tuning import code, machine, say
from keiki.core.files import read_json, write_json

RESULTS = Path(__file__).resolve().parent / "results" / "kill.json"
HOME = CACHE / "kill"
METHODS = ("lp-ft", "lora", "gradual-unfreezing")
CLI_EVERY, TWICE_EVERY = 6, 4
TRIES = 20  # moments drawn for one point until one lies within its run


class References:
    """Uninterrupted runs, one for each work, way and plan, with the seconds that they took."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], Facts] = {}
        self.seconds: dict[tuple[str, str], float] = {}
        self.homes: dict[tuple[str, str, str], Path] = {}

    def first(self, work: Work, way: Way) -> float:
        """Seconds of an uninterrupted run, which is made if there is none yet."""
        if (work.name, way.name) not in self.seconds:
            home = fresh_home(f"whole-{way.name}-{work.kind}-{work.method}")
            start = time.perf_counter()
            way.start(work, home, False).wait()
            self.seconds[work.name, way.name] = time.perf_counter() - start
            self._keep(work, way, home)
        return self.seconds[work.name, way.name]

    def same_plan(self, work: Work, way: Way, home: Path) -> Facts:
        """The result of an uninterrupted run under the plan of the run in `home`."""
        key = (work.name, way.name, way.plan(home))
        if key not in self.known:
            other = fresh_home(f"whole-{way.name}-{work.kind}-{work.method}-{len(self.known)}")
            (other / "run").mkdir()
            for name in ("run/request.json", *way.decisions):
                if (home / name).is_file():
                    shutil.copy(home / name, other / name)
            request = read_json(other / "run" / "request.json")
            write_json(other / "run" / "request.json", {**request, "out": str(other / "run")})
            way.start(work, other, True).wait()
            self._keep(work, way, other)
        return self.known[key]

    def _keep(self, work: Work, way: Way, home: Path) -> None:
        result = way.result(home)
        if result is None:
            raise Failed(f"The uninterrupted run of {work.name} has left no result in {home}.")
        self.known[work.name, way.name, way.plan(home)] = result


def fresh_home(name: str) -> Path:
    """An empty folder with a cache that holds converted graphs alone (onnx refuses hard links)."""
    home = HOME / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if warm().is_dir():
        shutil.copytree(warm() / "graphs", home / "cache" / "graphs")
    return home


def warm() -> Path:
    """The cache whose graphs all runs begin with."""
    return HOME / "warm"


def warm_up(works: Sequence[Work]) -> None:
    """Convert the graphs of both backbones once."""
    if warm().is_dir():
        return
    home = fresh_home("warming")
    for kind in sorted({work.kind for work in works}):
        work = next(work for work in works if work.kind == kind)
        start_trainer(work, home, False).wait()
        for left in ("checkpoints", "result.json"):
            path = home / left
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    os.rename(home / "cache", warm())


def measure(number: int, works: Sequence[Work], references: References) -> Facts:
    """One point: run, kill, go on (and kill again), end, compare."""
    rng = np.random.default_rng([4, number])
    work = works[number % len(works)]
    way = WAYS["cli" if (number // len(works)) % CLI_EVERY == CLI_EVERY - 1 else "trainer"]
    whole = references.first(work, way)
    facts: Facts = {"number": number, "work": work.name, "way": way.name, "whole_seconds": round(whole, 2)}
    home = fresh_home("point")
    for _ in range(TRIES):
        moment = float(rng.uniform(0, whole))
        if way.start(work, home, False).kill_after(moment):
            break
        home = fresh_home("point")
    else:
        raise Failed(f"{work.name} ended {TRIES} times before it could be killed")
    facts |= {"killed_after": round(moment, 3), **_met(home, way)}
    if (number // len(works)) % TWICE_EVERY == 0 and way.result(home) is None:
        again = float(rng.uniform(0, whole))
        facts["killed_again_after"] = round(again, 3) if way.start(work, home, True).kill_after(again) else None
    if way.result(home) is None:
        way.start(work, home, True).wait()
    return {**facts, **_compared(home, way, references.same_plan(work, way, home))}


def _met(home: Path, way: Way) -> Facts:
    """What the kill has met: the last event in the log, and the checkpoints on disk, finished or not."""
    lines = _events(home / way.log)
    last = lines[-1] if lines else {}
    told = " ".join(str(last[key]) for key in ("event", "name", "phase", "epoch") if key in last)
    files = [path.name for path in home.rglob("state.json")]
    return {"met": told or "nothing yet", "checkpoints": len(files), "unfinished": len(_unfinished(home))}


def _compared(home: Path, way: Way, whole: Facts) -> Facts:
    found = way.result(home)
    assert found is not None  # it has ended well
    events = Counter(line["event"] for line in _events(home / way.log))
    differs = [key for key in sorted({*whole, *found}) if whole.get(key) != found.get(key)]
    if "summary" in differs:
        one, other = whole["summary"], found["summary"]
        differs += [f"run.json: {key}" for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return {
        "resumed": events["resumed"],
        "damaged_passed_over": events["checkpoint damaged"],
        "left_behind": len(_unfinished(home)),
        "identical": not differs,
        "differs": differs,
    }


def _events(path: Path) -> list[Facts]:
    """The whole lines of a log; the last one may have been cut."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(dict(json.loads(line)))
        except ValueError:
            found.append({"event": "cut line"})
    return found


def _unfinished(home: Path) -> list[Path]:
    return [path for path in home.rglob(".part-*") if "cache" not in path.relative_to(home).parts]


def summary(points: Sequence[Mapping[str, Any]]) -> Facts:
    """Counts over all points."""
    failed = [point for point in points if "error" in point]
    ended = [point for point in points if "error" not in point]
    return {
        "points": len(points),
        "identical": sum(point["identical"] for point in ended),
        "different": sum(not point["identical"] for point in ended),
        "failed": len(failed),
        "killed_twice": sum(point.get("killed_again_after") is not None for point in ended),
        "gone_on_from_a_checkpoint": sum(point["resumed"] > 0 for point in ended),
        "by_way": dict(Counter(point["way"] for point in points)),
        "by_work": dict(Counter(point["work"] for point in points)),
        "met": dict(Counter(" ".join(point["met"].split()[:2]) for point in ended).most_common()),
    }


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    works = [Work(kind, method) for method in options.methods for kind in ("pictures", "texts")]
    points = _known(options)
    end = time.monotonic() + 60 * options.minutes
    preload()
    warm_up(works)
    references = References()
    for number in range(options.first, options.first + options.points):
        if number in points:
            continue
        if time.monotonic() > end:
            say(f"stopped after {options.minutes:g} minutes; run it again for the other points")
            break
        points[number] = _point(number, works, references)
        _write(options.out, points)
    _write(options.out, points)
    found = summary(list(points.values()))
    print(json.dumps(found, indent=1))
    sys.exit(0 if found["identical"] == options.points else 1)


def _point(number: int, works: Sequence[Work], references: References) -> Facts:
    """A point; what failed is kept as such and told in full."""
    start = time.perf_counter()
    try:
        facts = measure(number, works, references)
    except Failed as problem:
        facts = {"number": number, "work": works[number % len(works)].name, "way": "?", "error": str(problem)}
    facts["seconds"] = round(time.perf_counter() - start, 1)
    say(f"{number}: {json.dumps({k: v for k, v in facts.items() if k != 'number'})}")
    return facts


def _known(options: argparse.Namespace) -> dict[int, Facts]:
    """Points of an earlier run by the same code."""
    if options.fresh or not options.out.is_file():
        return {}
    content = read_json(options.out)
    if content["code"] != code():
        say("the code has changed: all points are measured again")
        return {}
    return {point["number"]: point for point in content["points"] if "error" not in point}


def _write(path: Path, points: Mapping[int, Facts]) -> None:
    own = [points[number] for number in sorted(points)]
    facts = {"schema": 1, "code": code(), "commit": commit(), "machine": machine(), "summary": summary(own)}
    write_json(path, {**facts, "points": own})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first point")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop cleanly after so many")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    parser.add_argument("--fresh", action="store_true", help="measure again what is there")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
