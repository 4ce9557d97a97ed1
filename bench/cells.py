"""Measurements that are made once: each is a small JSON file, so that a long run can be stopped and continued."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keiki.core.files import read_json, write_json


class ChildFailed(Exception):
    """A measured command ended with an error; what it said is the message."""


@dataclass(frozen=True)
class Cells:
    """The store: one file a cell. `fresh`: measure again what is there."""

    folder: Path
    fresh: bool = False
    say: Callable[[str], None] = print

    def measure(self, name: str, how: Callable[[], Mapping[str, Any]]) -> None:
        """Keep what `how` finds under `name`, with the load of the machine before and after, unless it is there."""
        path = self.folder / f"{name}.json"
        if path.exists() and not self.fresh:
            return
        self.say(f"{name} ...")
        before, start = os.getloadavg()[0], time.time()
        facts = dict(how())
        load = {"before": round(before, 2), "after": round(os.getloadavg()[0], 2)}
        made = {"commit": commit(), "load": load, "took": round(time.time() - start, 1)}
        write_json(path, {"cell": name, **facts, **made})
        self.say(f"{name}: {time.time() - start:.1f} s, load {before:.1f}")

    def read(self) -> dict[str, dict[str, Any]]:
        """All cells by name."""
        return {path.stem: read_json(path) for path in sorted(self.folder.glob("*.json"))}


@dataclass(frozen=True)
class Spent:
    """What a child process took: wall and CPU seconds with its own children, largest resident size in bytes."""

    wall: float
    cpu: float
    rss: int

    def to_json(self) -> dict[str, float | int]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def child(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> tuple[str, Spent]:
    """Run `command` from start to end: what it printed and what it took. Raises where it fails, with its last lines."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=errors, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            said = f"{out.read()[-1500:]}\n{errors.read()[-1500:]}"
            raise ChildFailed(
                f"{Path(command[0]).name} {Path(str(command[1])).name} ended with {process.returncode}:\n{said}"
            )
        return out.read(), spent(wall, usage)


def spent(wall: float, usage: resource.struct_rusage) -> Spent:
    """Linux counts resident size in KiB."""
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def commit() -> str:
    """The state of the sources that was measured; '-dirty' where it is not committed, 'unknown' without git."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def last_json(text: str) -> dict[str, Any]:
    """The JSON object that a child printed last."""
    start = text.find("{")
    return dict(json.loads(text[start:]))


def cold_cache(warm: Path, at: Path) -> Path:
    """A cache at `at` with no features, but copies (onnx refuses hard links) of the graphs and weights of `warm`."""
    shutil.rmtree(at, ignore_errors=True)
    at.mkdir(parents=True)
    if (warm / "graphs").is_dir():
        shutil.copytree(warm / "graphs", at / "graphs")
    return at
