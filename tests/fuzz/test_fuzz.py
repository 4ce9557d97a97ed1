"""A small part of `make fuzz`: broken input is refused clearly or listed, and nothing falls over."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import hostile  # noqa: F401  # its kinds
import mutations
import numpy as np
import pytest
import run
import sound
from harness import judge
from malformed import KINDS
from run import FINE, fault

from keiki.data.sources.base import Request


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("name", KINDS)
def test_malformed_input_is_refused_or_listed(name: str, home: Path) -> None:
    for seed in range(2):
        case = KINDS[name](home / str(seed), np.random.default_rng(seed))
        assert fault(case, judge(case.path, case.request)) == ""


def test_mutated_files_never_make_it_fall_over(home: Path) -> None:
    for path in mutations.cases(home / "mutants", np.random.default_rng(0), 140):
        verdict = judge(path, Request())
        assert verdict.outcome in (*FINE, "accepted"), verdict.told


@pytest.mark.parametrize(
    "place",
    [
        "beside",
        "cache-beside/x",
        "cache/x",
        "cache/shelf/x",
        "cache/unpacked/x",
        "cache/unpacked/users/x",
        "cache/unpacked/.part-1/x",
        f"cache/unpacked/{'0' * 64}/files/x",
    ],
)
def test_the_harness_notices_a_file_where_none_belongs(home: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = home / place
    stray.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr("harness.read_like_fit", lambda path, request: stray.write_text("x") and [])
    assert judge(home, Request()).outcome == "wrote outside"


@pytest.mark.parametrize("name", ["../evil.png", "ash/../../evil.png", "../../evil.png", "../../../evil.png"])
def test_the_harness_notices_a_zip_that_leaves_its_folder(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keiki.data.sources.zipped._refuse_escape", lambda path, name: None)
    monkeypatch.setattr("keiki.data.sources.zipped._system_part", lambda name: "")
    with zipfile.ZipFile(home / "t.zip", "w") as archive:
        for each, data in {**sound.photos(np.random.default_rng(0)), name: b"evil"}.items():
            archive.writestr(each, data)
    verdict = judge(home / "t.zip", Request())
    assert verdict.outcome == "wrote outside"
    assert "evil.png" in verdict.told


def test_the_harness_notices_a_crash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.read_like_fit", lambda path, request: 1 / 0)
    assert judge(home, Request()).outcome == "crashed"


def test_the_figures_are_written_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("run.KINDS", {name: KINDS[name] for name in ("ragged row", "truncated zip")})
    results = home / "fuzz.json"
    monkeypatch.setattr(sys, "argv", ["run.py", "--malformed", "4", "--mutations", "28", "--results", str(results)])
    monkeypatch.setattr("run.GROWTH", 10.0)
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == 0
    found = json.loads(results.read_text())
    assert found["malformed"]["ragged row"]["cases"] == 2
    assert found["malformed"]["ragged row"]["skipped"] == 2
    assert sum(each["cases"] for each in found["mutations"].values()) == 28
    assert found["mutations"]["csv"]["slowest_seconds"] > 0
    assert found["memory"]["after_mib"] > 0
    assert found["faults"] == 0
