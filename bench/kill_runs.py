"""The runs that `bench/kill.py` kills: on what, how they are begun and gone on with, and what their results are."""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import openmoji
from bench.packages import CACHE
from keiki.core.files import digest, read_json, sha256_file, write_json, writing_folder

SAMPLE_TEXTS = Path(__file__).resolve().parent.parent / "keiki" / "sample" / "texts.csv"
KEIKI = Path(sys.executable).parent / "keiki"
OPTIONS = {
    "pictures": ("epochs=3", "batch_size=8", "patience=3"),
    "texts": ("epochs=2", "batch_size=16", "patience=3"),
}
# Where most stages lie still, a kill may also fall into the keeping of their activations, augmented ones included.
ON_BOUNDARY = {"lp-ft": ("freeze=-2", "augment=light")}
CLASSES = 4
LEARNED = {"pictures": 10, "texts": 15}  # items a class
JUDGED = 5
CHECKPOINT_SECONDS = {"pictures": 0.5, "texts": 2.0}  # MiniLM's checkpoints weigh 360 MB, those of Lite0 54 MB
# In run.json these tell of the clock, the folder or the machine, not of the result.
VOLATILE = frozenset({"run", "out", "seconds", "peak_memory_bytes", "prediction_ms"})

Facts = dict[str, Any]
Start = Callable[["Work", Path, bool], "Running"]


@dataclass(frozen=True)
class Work:
    """What is trained: a method on pictures or texts."""

    kind: str
    method: str

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.method}"

    @property
    def data(self) -> Path:
        return data_folder() / self.kind

    @property
    def options(self) -> tuple[str, ...]:
        return (*OPTIONS[self.kind], *ON_BOUNDARY.get(self.method, ()))

    @property
    def arguments(self) -> list[str | Path]:
        """What follows `keiki fit`, without the run folder."""
        options = [part for option in self.options for part in ("--set", option)]
        fixed = ["--method", self.method, *options, "--controls", "none", "--quiet", "--json"]
        if self.kind == "pictures":
            return [self.data, *fixed]
        columns = ["--input", "text", "--label", "label"]
        return [self.data / "train.csv", "--test", self.data / "test.csv", *columns, *fixed]


def data_folder() -> Path:
    """A few pictures as train/CLASS/x.png and test/CLASS/x.png, a few texts as train.csv and test.csv."""
    home = CACHE / "data" / f"kill-{CLASSES}-{JUDGED}"
    if home.is_dir():
        return home
    with writing_folder(home) as out:
        for side, n in (("train", LEARNED["pictures"]), ("test", JUDGED)):
            for place in sorted((openmoji.folder(0, LEARNED["pictures"]) / side).iterdir())[:CLASSES]:
                (out / "pictures" / side / place.name).mkdir(parents=True)
                for picture in sorted(place.iterdir())[:n]:
                    shutil.copy(picture, out / "pictures" / side / place.name)
        (out / "texts").mkdir()
        for side, rows in zip(("train", "test"), _texts(), strict=True):
            with (out / "texts" / f"{side}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("text", "label"), *rows])
    return home


def _texts() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Names of things with their class; one a group, so that no group stands on both sides."""
    with SAMPLE_TEXTS.open(newline="", encoding="utf-8") as file:
        first = {row["group"]: (row["text"], row["label"]) for row in reversed(list(csv.DictReader(file)))}
    sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for label in sorted({label for _, label in first.values()})[:CLASSES]:
        own = sorted(row for row in first.values() if row[1] == label)
        sides[0].extend(own[: LEARNED["texts"]])
        sides[1].extend(own[LEARNED["texts"] : LEARNED["texts"] + JUDGED])
    return sides


class Running:
    """A process (with its children) that can be waited for and killed."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log, self.start = pid, log, time.perf_counter()

    def wait(self) -> None:
        """Wait for its end; raises where it fails, with its last words."""
        with self._ours():
            _, status = os.waitpid(self.pid, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise Failed(f"ended with {os.waitstatus_to_exitcode(status)}: {said}")

    def kill_after(self, seconds: float) -> bool:
        """Send SIGKILL to its whole group when it has run so long; False where it ended before."""
        with self._ours():
            while (left := self.start + seconds - time.perf_counter()) > 0:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return False
                time.sleep(min(left, 0.005))
            os.killpg(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
        return os.WIFSIGNALED(status)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """What we started does not outlive us."""
        try:
            yield
        except BaseException:
            os.killpg(self.pid, signal.SIGKILL)
            raise


class Failed(Exception):
    """A run that was to end well did not."""


def start_trainer(work: Work, home: Path, resume: bool) -> Running:
    """The training alone, in a fork of this process, which has imported everything and run nothing."""
    log = home / "said.txt"
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            with log.open("a") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
            train(work, home)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return Running(pid, log)


def train(work: Work, home: Path) -> None:
    """Train in `home`, from its newest checkpoint if there is one, and write result.json."""
    from keiki.backbones.base import load
    from keiki.backbones.cache import Cache
    from keiki.backbones.features import FeatureBank
    from keiki.core.random import Randomness
    from keiki.core.record import Record
    from keiki.data.load import load_task
    from keiki.data.sources.base import Request
    from keiki.engines.plan import make_plan
    from keiki.methods.base import METHODS as REGISTRY
    from keiki.training.checkpoint import Checkpoints
    from keiki.training.pace import Pace
    from keiki.training.trainer import Trainer

    texts = work.kind == "texts"
    asked = Request(input="text", label="label") if texts else None
    path = work.data / "train.csv" if texts else work.data
    task = load_task(path, test=work.data / "test.csv" if texts else None, request=asked)
    plan, record = make_plan(threads=1), Record(home / "log.jsonl")
    bank = FeatureBank(Cache(home / "cache"), plan, record)
    bank.register(task.items)
    kind = REGISTRY.get(work.method)
    method = kind(kind.Config.parse(work.options))
    model = method.build(load("minilm-l6" if texts else "efficientnet-lite0"), task.target, bank)
    checkpoints = Checkpoints(home / "checkpoints", digest([work.name, *work.options]), record)
    pace = Pace(precision="bf16" if texts else "fp32", channels_last=not texts, threads=plan.threads)
    trainer = Trainer(
        Randomness(7), record, pace=pace, checkpoints=checkpoints, checkpoint_seconds=CHECKPOINT_SECONDS[work.kind]
    )
    trainer.run(method, model, task.training_view())
    logits = model.logits(task.items.take(task.test))
    found = hashlib.sha256()
    for name, array in sorted(model.state()[0].items()):
        found.update(json.dumps([name, str(array.dtype), list(array.shape)]).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    right = (logits.argmax(axis=1) == task.labels[task.test]).mean()
    answers = hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest()
    write_json(home / "result.json", {"weights": found.hexdigest(), "logits": answers, "accuracy": float(right)})


def preload() -> None:
    """Import what the trainer's forks need, so that they begin with training; nothing is run, no thread is begun."""
    from keiki.engines.torchvision_guard import ensure

    ensure()
    for name in ("onnxruntime", "timm", "transformers", "keiki.nn.network", "keiki.training.descent"):
        importlib.import_module(name)
    for registry in ("keiki.backbones.base:FAMILIES", "keiki.methods.base:METHODS"):
        module, _, attribute = registry.partition(":")
        getattr(importlib.import_module(module), attribute).names()


def start_cli(work: Work, home: Path, resume: bool) -> Running:
    """`keiki fit` in a process group of its own; gone on with if its request is written down."""
    run, log = home / "run", home / "said.txt"
    going = resume and (run / "request.json").is_file()
    arguments = ["--resume", "--quiet", "--json"] if going else work.arguments
    with log.open("a") as out:
        process = subprocess.Popen(
            [str(part) for part in (KEIKI, "fit", *arguments, "--out", run)],
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "KEIKI_CACHE": str(home / "cache"), "OMP_WAIT_POLICY": "PASSIVE"},
        )
    process.returncode = 0  # we wait for it ourselves
    return Running(process.pid, log)


def trainer_result(home: Path) -> Facts | None:
    path = home / "result.json"
    return dict(read_json(path)) if path.is_file() else None


def cli_result(home: Path) -> Facts | None:
    """What a finished run is compared by; None where it has not finished."""
    path = home / "run" / "run.json"
    if not path.is_file():
        return None
    return {"model": sha256_file(home / "run" / "bundle" / "model.safetensors"), "summary": settled(read_json(path))}


def settled(value: Any) -> Any:
    """JSON values without what depends on the clock, the folder or the machine's memory, however deep it stands.

    >>> settled({"run": "a", "test": [{"accuracy": 1, "seconds_of_steps": 2.0}]})
    {'test': [{'accuracy': 1}]}
    """
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in VOLATILE and not key.startswith("seconds_")}
        return {key: settled(each) for key, each in kept.items()}
    return [settled(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Way:
    """One of the two ways of running: how to begin or go on, what the result is, what decides its last bits."""

    name: str
    start: Start
    result: Callable[[Path], Facts | None]
    log: str
    decisions: tuple[str, ...] = ()  # files of a run that hold what was decided by the clock

    def plan(self, home: Path) -> str:
        paths = [home / each for each in self.decisions]
        return digest([read_json(path) if path.is_file() else None for path in paths])


WAYS = {
    "trainer": Way("trainer", start_trainer, trainer_result, "log.jsonl"),
    "cli": Way("cli", start_cli, cli_result, "run/log.jsonl", ("run/plan.json", "run/decisions.json")),
}
