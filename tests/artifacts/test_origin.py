"""What a bundle knows of its fit travels in it, or is found in the run around it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.origin import RUN_FILE, Columns, OwnEstimate
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import BundleError
from keiki.pipeline.folder import DONE
from keiki.testing.bundles import text_handover

TEST = {"estimate": "held-out", "n": 80, "accuracy": {"value": 0.75, "low": 0.61, "high": 0.85}, "confusion": [[1]]}


def test_columns_and_estimate_travel_in_the_bundle(tmp_path: Path) -> None:
    columns = Columns("subject,message", "team", None, "day")
    write_bundle(tmp_path / "b", replace(text_handover(), columns=columns, results={"test": TEST}))
    found = Bundle.open(tmp_path / "b")
    assert found.columns == columns
    assert found.estimate == OwnEstimate("held-out", 80, 0.75, 0.61, 0.85)
    kept = json.loads((tmp_path / "b" / "bundle.json").read_text())
    assert kept["columns"] == {"input": "subject,message", "label": "team", "time": "day"}
    assert kept["estimate"] == {key: TEST[key] for key in ("estimate", "n", "accuracy")}


def test_else_they_stand_in_the_run_around_it(text_bundle: Path, tmp_path: Path) -> None:
    assert RUN_FILE == DONE
    shutil.copytree(text_bundle, tmp_path / "run" / "bundle")
    config = {"data": "tickets.csv", "input": "message", "label": None, "group": "thread", "seed": 0}
    (tmp_path / "run" / "run.json").write_text(json.dumps({"config": config, "test": TEST}))
    for path in (tmp_path / "run", tmp_path / "run" / "bundle"):
        assert Bundle.open(path).columns == Columns("message", None, "thread")
        assert Bundle.open(path).estimate == OwnEstimate("held-out", 80, 0.75, 0.61, 0.85)


def test_a_bundle_alone_may_know_nothing(text_bundle: Path) -> None:
    assert Bundle.open(text_bundle).columns == Columns()
    assert Bundle.open(text_bundle).estimate is None


def test_labels_in_a_file_beside_are_no_column() -> None:
    assert Columns.of({"input": "X", "label": "parts/y.npy"}) == Columns("X")


@pytest.mark.parametrize("test", [None, [], {"accuracy": None}, {"accuracy": {"value": 0.5, "low": None, "high": 1}}])
def test_an_estimate_without_an_interval_is_none(test: object) -> None:
    assert OwnEstimate.of(test) is None


def test_a_damaged_run_is_said(text_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(text_bundle, tmp_path / "run" / "bundle")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(BundleError, match="damaged"):
        _ = Bundle.open(tmp_path / "run").columns
