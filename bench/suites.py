"""What is measured. Every function fills cells; competitors of one pair run one after the other inside one cell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import data
from bench.cells import Cells, child, cold_cache, last_json
from bench.packages import CACHE

BENCH = Path(__file__).resolve().parent
PYTHON = Path(sys.executable)
KEIKI = PYTHON.parent / "keiki"
FASTAI_PYTHON = BENCH / ".venv" / "bin" / "python"
SAMPLE_TEXTS = BENCH.parent / "keiki" / "sample" / "texts.csv"
WARM = CACHE / "keiki"  # the cache whose converted graphs all measurements share
RUNS = CACHE / "runs"

Facts = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    draws: int = 10
    train: int = data.TRAIN
    test: int = data.TEST
    fastai_draws: int = 1
    beside: int = 10
    epochs: int = 10
    penalties: int = 10
    pairs: int = 15
    batch_items: int = 256
    passes: tuple[int, ...] = (1_000, 3_000, 10_000)
    pass_repeats: int = 1
    fashion: int = 10_000
    fashion_test: int = data.FASHION_TEST
    looked: tuple[int, ...] = (1_000,)
    judged: int = 10_000
    starts: int = 10


SMOKE = Scale(
    draws=1,
    train=96,
    test=16,
    fastai_draws=1,
    epochs=1,
    penalties=2,
    pairs=2,
    batch_items=32,
    passes=(40, 80),
    pass_repeats=1,
    fashion=100,
    fashion_test=40,
    looked=(60,),
    judged=40,
    starts=2,
)


def warm_up(scale: Scale) -> None:
    """Convert all graphs, and leave one run for pictures and one for texts, before anything is timed.

    The features go first: where they are remembered, no graph is asked for, and a new kind of graph would not be made.
    """
    RUNS.mkdir(parents=True, exist_ok=True)
    child([KEIKI, "cache", "--clear"], _environment(WARM))
    _fit(data.emoji_draw(0, scale.train, scale.test), RUNS / "pictures", WARM)
    _fit(SAMPLE_TEXTS, RUNS / "texts", WARM, "--input", "text", "--label", "label", "--group", "group")


def start_up(cells: Cells, scale: Scale) -> None:
    """The time of a new process: help, and one prediction. Files are in the page cache."""
    picture = next(data.emoji_draw(0, scale.train, scale.test).glob("test/*/*.png"))
    commands = {
        "start-help": ("--help",),
        "start-predict-picture": ("predict", RUNS / "pictures", picture),
        "start-predict-text": ("predict", RUNS / "texts", "a red apple"),
    }
    for name, command in commands.items():
        cells.measure(name, lambda command=command: {"runs": [_start(*command) for _ in range(scale.starts)]})


def _start(*command: str | Path) -> Facts:
    return child([KEIKI, *command], _environment(WARM))[1].to_json()


def engines(cells: Cells, scale: Scale) -> None:
    """The frozen pass through ONNX Runtime and through eager torch."""
    for backbone in ("efficientnet-lite0", "minilm-l6"):
        command = [PYTHON, BENCH / "engine_pass.py", backbone, "--pairs", scale.pairs, "--items", scale.batch_items]
        cells.measure(f"engine-{backbone}", lambda command=command: last_json(child(command, _environment(WARM))[0]))


def small_fits(cells: Cells, scale: Scale) -> None:
    """300 pictures of 16 classes: keiki twice (A/A), each with its second fit, and scikit-learn with 1 and all jobs."""
    for draw in range(scale.draws):
        folder = data.emoji_draw(draw, scale.train, scale.test)
        ways = {
            "keiki": lambda folder=folder: keiki_fits(folder),
            "keiki_again": lambda folder=folder: keiki_fits(folder),
            "sklearn": lambda folder=folder: _sklearn(folder, scale),
            "sklearn_jobs": lambda folder=folder: _sklearn(folder, scale, "--jobs", -1),
        }
        cells.measure(f"fit-{draw}", lambda ways=ways, draw=draw: in_random_order(ways, draw))


def fastai_fits(cells: Cells, scale: Scale) -> None:
    """The same draws: keiki beside fastai, minutes a draw.

    With `cells.fresh` only the first `scale.beside` draws are measured side by side again; of the others keiki alone,
    as fastai does not change with it. These tell of accuracy, and not of time.
    """
    known = cells.read()
    for draw in range(scale.fastai_draws):
        before = known.get(f"fastai-{draw}")
        if cells.fresh and before and draw >= scale.beside:
            kept = {"fastai": before["fastai"], "fastai_commit": before.get("fastai_commit", before["commit"])}
            folder = data.emoji_draw(draw, scale.train, scale.test)
            cells.measure(f"fastai-{draw}", lambda folder=folder, kept=kept: {"keiki": keiki_fits(folder), **kept})
            continue
        folder = data.emoji_draw(draw, scale.train, scale.test)
        ways = {
            "keiki": lambda folder=folder: keiki_fits(folder),
            "fastai": lambda folder=folder, draw=draw: _fastai(folder, scale, draw),
        }
        cells.measure(f"fastai-{draw}", lambda ways=ways, draw=draw: in_random_order(ways, draw))


def in_random_order(ways: dict[str, Callable[[], Facts]], seed: int) -> Facts:
    """The facts of each way, measured in an order drawn from `seed`, which is kept."""
    order = [list(ways)[i] for i in np.random.default_rng(seed).permutation(len(ways))]
    found = {name: ways[name]() for name in order}
    return {"order": order, **{name: found[name] for name in ways}}


def feature_passes(cells: Cells, scale: Scale) -> None:
    """The feature pass alone at growing N."""
    for n in scale.passes:
        folder = data.fashion(n, scale.fashion_test)
        for repeat in range(scale.pass_repeats):
            cells.measure(f"pass-{n}-{repeat}", lambda folder=folder: _feature_pass(folder / "train"))


def _feature_pass(folder: Path) -> Facts:
    cache = cold_cache(WARM, CACHE / "cold")
    out, spent = child([PYTHON, BENCH / "feature_pass.py", folder], _environment(cache))
    return {**last_json(out), **spent.to_json()}


def large_fit(cells: Cells, scale: Scale) -> None:
    """Fashion-MNIST: one cold fit and a second one."""
    folder = data.fashion(scale.fashion, scale.fashion_test)
    cells.measure(f"fashion-{scale.fashion}", lambda: keiki_fits(folder, "--method", "linear-probe"))


def reports(cells: Cells, scale: Scale) -> None:
    """What health and report cost beside the fit, on folds of so many pictures; the page of many test pictures."""
    for n in scale.looked:
        folder = data.fashion(n, scale.fashion_test) / "train"
        cells.measure(
            f"report-{n}", lambda folder=folder: _fit(folder, CACHE / "run", cold_cache(WARM, CACHE / "cold"))
        )
    folder = data.fashion(min(scale.looked), scale.judged)
    fixed = ("--method", "linear-probe", "--controls", "none")
    cells.measure(f"page-{scale.judged}", lambda: _fit(folder, CACHE / "run", cold_cache(WARM, CACHE / "cold"), *fixed))


def keiki_fits(folder: Path, *options: str) -> Facts:
    """`keiki fit` with cold features and converted graphs, then again with what the first left in the cache."""
    cache = cold_cache(WARM, CACHE / "cold")
    return {name: _fit(folder, CACHE / "run", cache, *options) for name in ("first", "second")}


def _fit(folder: Path, run: Path, cache: Path, *options: str) -> Facts:
    shutil.rmtree(run, ignore_errors=True)
    out, spent = child([KEIKI, "fit", folder, "--out", run, "--json", "--quiet", *options], _environment(cache))
    summary = last_json(out)
    return {
        **spent.to_json(),
        "accuracy": summary["test"]["accuracy"]["value"],
        "low": summary["test"]["accuracy"]["low"],
        "high": summary["test"]["accuracy"]["high"],
        "method": summary["method"],
        "options": summary["options"],
        "seconds": summary["seconds"],
        "peak_memory_bytes": summary["peak_memory_bytes"],
        "report_bytes": (run / "report.html").stat().st_size,
        "verdict": (summary["transfer"] or {}).get("verdict"),
    }


def _sklearn(folder: Path, scale: Scale, *options: object) -> Facts:
    script = BENCH / "peers" / "sklearn_probe.py"
    fixed = [folder, _weights(), CACHE / "sklearn.csv", "--penalties", scale.penalties]
    out, spent = child([PYTHON, script, *fixed, *options], _environment(WARM))
    return {**last_json(out), **spent.to_json()}


def _fastai(folder: Path, scale: Scale, draw: int) -> Facts:
    _make_fastai_environment()
    script = BENCH / "peers" / "fastai_finetune.py"
    command = [FASTAI_PYTHON, script, folder, _weights(), CACHE / "fastai.pkl", "--epochs", scale.epochs]
    out, spent = child([*command, "--seed", draw])
    return {**last_json(out), **spent.to_json()}


def _make_fastai_environment() -> None:
    """fastai in an environment of its own, made once; PIP_FLAGS as in the Makefile."""
    home = BENCH / ".venv"
    if (home / ".complete").exists():
        return
    subprocess.run([PYTHON, "-m", "venv", home], check=True)
    flags = os.environ.get("PIP_FLAGS", "").split()
    requirements = BENCH / "peers" / "fastai.txt"
    subprocess.run([FASTAI_PYTHON, "-m", "pip", "install", "--quiet", *flags, "-r", requirements], check=True)
    (home / ".complete").touch()


def _weights() -> Path:
    """EfficientNet-Lite0 under timm's names, from the warm cache."""
    return next((WARM / "graphs" / "weights").glob("efficientnet-lite0-*.safetensors"))


def _environment(cache: Path) -> dict[str, str]:
    return {"KEIKI_CACHE": str(cache)}
