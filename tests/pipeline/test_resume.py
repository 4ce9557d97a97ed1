"""A run that is cut anywhere and gone on with ends with the same bits as one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keiki
from keiki.cli.main import main
from keiki.core.errors import BundleError, RequestError
from keiki.core.files import sha256_file
from keiki.pipeline import folder as folders
from keiki.pipeline.fit import Run, resume

Fit = Callable[..., Run]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in keiki catches it."""


class Bomb:
    """Cuts a run at the n-th event (0 = first) of which the facts hold."""

    def __init__(self, n: int = 0, **facts: Any) -> None:
        self.left, self.facts = n, facts

    def __call__(self, event: dict[str, Any]) -> None:
        if self.facts.items() <= event.items():
            self.left -= 1
            if self.left < 0:
                raise Killed


TUNED = {"method": "lp-ft", "options": ["epochs=4", "batch_size=8"]}
PLACES = {
    "before reading": (0, {"event": "stage", "name": "read"}),
    "in the probe": (0, {"event": "phase", "name": "head"}),
    "before the first epoch": (0, {"event": "phase", "name": "tune"}),
    "after the first epoch": (0, {"event": "epoch"}),
    "after the third epoch": (2, {"event": "epoch"}),
    "after tuning": (0, {"event": "phase", "name": "validate"}),
    "before the report": (0, {"event": "stage", "name": "report"}),
}


def result(run: Run) -> tuple[dict[str, str], dict[str, Any]]:
    """The bundle's digests, and of run.json what neither clock nor place decide."""
    files = {file.name: sha256_file(file) for file in sorted((run.folder / "bundle").iterdir())}
    rows = [{k: v for k, v in row.items() if k != "prediction_ms"} for row in run.summary["candidates"]]
    names = ("task", "backbone", "method", "options", "metric", "test", "thresholds", "trainable_share", "digests")
    return files, {**{name: run.summary[name] for name in names}, "candidates": rows}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("place", PLACES)
def test_resume_equals_uninterrupted(place: str, texts: Path, quick: Fit, whole: dict[str, Any]) -> None:
    if "result" not in whole:
        whole["result"] = result(quick(texts, "whole", **TUNED))
    n, facts = PLACES[place]
    with pytest.raises(Killed):
        quick(texts, listeners=(Bomb(n, **facts),), **TUNED)
    assert not Path("run/run.json").exists()
    assert result(resume("run")) == whole["result"]


SCRIPT = """
import os, signal
from keiki.backbones.base import FAMILIES
from keiki.testing.tiny import TinyFamily
from keiki.pipeline.fit import fit

FAMILIES.add("tiny")(TinyFamily)
def stop(event):
    if event["event"] == "epoch" and event["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)

fit("texts.csv", out="run", backbone="tiny:text", test=0.25, controls="none", method="full-finetune",
    options=["epochs=4", "batch_size=8", "refit=no"], listeners=(stop,))
"""


def test_a_process_that_is_killed_loses_nothing(texts: Path, quick: Fit) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=False, env=_environment())
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    events: list[dict[str, Any]] = []
    found = resume("run", listeners=(events.append,))
    assert [each["epoch"] for each in events if each["event"] == "epoch"] == [2, 3, 4]  # the kill came before saving 2
    assert result(found) == result(
        quick(texts, "whole", method="full-finetune", options=[*TUNED["options"], "refit=no"])
    )


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(keiki.__file__).parents[1])}


def test_ctrl_c_says_how_to_go_on(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    command = ["fit", str(texts), "--backbone", "tiny:text", "--test", "0.25", "--controls", "none"]
    with monkeypatch.context() as patch:
        patch.setattr("keiki.pipeline.fit.deliver", interrupted)
        assert main(command) == 130
    told = capsys.readouterr()
    assert "go on with: keiki fit --resume --out runs/texts-1" in told.err
    assert "Traceback" not in told.err
    assert main(["fit", "--resume"]) == 0  # the run that was cut last
    assert "runs/texts-1/report.html" in capsys.readouterr().out
    assert main(["fit", "--resume"]) == 2
    assert "waits to be gone on with" in capsys.readouterr().err


def test_a_run_is_found_by_its_data(texts: Path, table: Callable[..., Path], rows: Any, quick: Fit) -> None:
    other = table(rows, "other.csv")
    for data in (texts, other):
        with pytest.raises(Killed):
            quick(data, out=None, listeners=(Bomb(event="stage", name="fit"),))
    assert resume(data=texts).summary["task"]["name"] == "texts"
    with pytest.raises(RequestError, match="on '.*texts.csv' in 'runs' waits"):
        resume(data=texts)


def test_a_run_on_other_data_than_those_that_are_named_is_not_gone_on_with(
    texts: Path, table: Callable[..., Path], rows: Any, quick: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    other = table(rows, "other.csv")
    with pytest.raises(Killed):
        quick(texts, out="runs/a", listeners=(Bomb(event="stage", name="fit"),))
    assert main(["fit", str(other), "--resume", "--out", "runs/a"]) == 2
    said = capsys.readouterr().err
    assert f"The run in 'runs/a' is on '{texts}', not on '{other}'" in said
    assert resume("runs/a", data=texts).summary["task"]["name"] == "texts"


def test_a_run_that_another_process_works_on_is_left_alone(texts: Path, quick: Fit) -> None:
    with pytest.raises(Killed):
        quick(texts, out="runs/a", listeners=(Bomb(event="stage", name="fit"),))
    with folders.held(Path("runs/a")):
        with pytest.raises(RequestError, match="Another process works"):
            resume("runs/a")
        with pytest.raises(RequestError, match="waits to be gone on with"):
            resume()
    assert resume().folder == Path("runs/a")


def test_resume_does_not_pretend_to_change_what_was_asked(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(texts), "--resume", "--seed", "3", "--set", "epochs=1"]) == 2
    assert "'seed', 'set' cannot be changed" in capsys.readouterr().err


def test_a_finished_run_is_not_gone_on_with(texts: Path, quick: Fit) -> None:
    quick(texts)
    with pytest.raises(RequestError, match="has ended already"):
        resume("run")


def test_a_folder_without_a_run_is_not_gone_on_with(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RequestError, match="holds no run to go on with"):
            resume(folder)


@pytest.mark.parametrize("damage", ["{", "[]", "{}"])
def test_a_damaged_request_is_named(damage: str, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text(damage)
    with pytest.raises(BundleError, match="damaged"):
        resume(tmp_path)


def test_a_run_goes_on_from_any_folder(
    texts: Path, quick: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        quick(Path("texts.csv"), listeners=(Bomb(event="stage", name="fit"),))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume(tmp_path / "run").summary["task"]["train"] == 27
