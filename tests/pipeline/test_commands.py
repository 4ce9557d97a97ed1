"""After a fit: predict, evaluate, export and report through the command line, and what fit itself prints."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keiki.cli.main import main
from keiki.pipeline.fit import Run

Capture = pytest.CaptureFixture[str]
FIT = ["--backbone", "tiny:text", "--test", "0.25"]


@pytest.fixture
def run(texts: Path, quick: Callable[..., Run]) -> str:
    return str(quick(texts).folder)


def test_fit_ends_with_lines_that_a_person_understands(texts: Path, capsys: Capture) -> None:
    assert main(["fit", str(texts), *FIT, "--controls", "quick"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert "on texts it never saw" in lines[0]
    assert "pretraining" in lines[1]
    assert lines[2].startswith("watch: ")
    assert lines[3] == "report: runs/texts-1/report.html"
    assert lines[4] == "next:  keiki predict runs/texts-1 TEXTS.csv"
    assert [line for line in told.err.splitlines() if not line.startswith(" ")] == [
        "read",
        "features",
        "fit",
        "evaluate",
        "health",
        "bundle",
        "report",
    ]
    assert "  Column 'text' was taken for the input, by its name." in told.err.splitlines()  # the guess is said


def test_fit_json_is_run_json_and_nothing_else(texts: Path, capsys: Capture) -> None:
    assert main(["fit", str(texts), *FIT, "--controls", "none", "--json", "--quiet"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out) == json.loads(Path("runs/texts-1/run.json").read_text(encoding="utf-8"))


def test_predict_after_fit(run: str, texts: Path, capsys: Capture) -> None:
    assert main(["predict", run, str(texts), "--quiet"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(found) == 36
    assert set(found[0]) >= {"input", "label", "probability", "decision", "runner_up"}
    assert {row["label"] for row in found} == {"blue", "green", "red"}


def test_evaluate_leaves_out_what_the_fit_has_seen(run: str, texts: Path, capsys: Capture) -> None:
    assert main(["evaluate", run, str(texts), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seen"], found["n"]) == (27, 9)
    summary = json.loads(Path(run, "run.json").read_text(encoding="utf-8"))
    assert found["test"]["accuracy"]["value"] == summary["test"]["accuracy"]["value"]


def test_export_after_fit(run: str, capsys: Capture) -> None:
    assert main(["export", run, "--format", "onnx", "--out", "exported", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parity"]["max_abs_difference"] <= 1e-4
    assert Path("exported/model.onnx").is_file()


def test_report_is_rebuilt_from_its_json_alone(run: str, capsys: Capture) -> None:
    page = Path(run, "report.html")
    before = page.read_bytes()
    page.unlink()
    assert main(["report", run]) == 0
    assert page.read_bytes() == before


def test_runs_last_is_a_run(texts: Path, capsys: Capture) -> None:
    assert main(["fit", str(texts), *FIT, "--controls", "none", "--quiet"]) == 0
    assert main(["predict", "runs/last", "the sky is the sea", "--quiet"]) == 0
    assert "blue" in capsys.readouterr().out
