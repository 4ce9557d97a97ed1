"""A small part of `make fuzz`: broken input is refused clearly or listed, and nothing falls over."""

from __future__ import annotations

from pathlib import Path

import mutations
import numpy as np
import pytest
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
        assert fault(case, judge(case.path, case.request, home)) == ""


def test_mutated_files_never_make_it_fall_over(home: Path) -> None:
    for path in mutations.cases(home / "mutants", np.random.default_rng(0), 140):
        verdict = judge(path, Request(), home)
        assert verdict.outcome in (*FINE, "accepted"), verdict.told


def test_the_harness_notices_a_file_outside_the_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = home.parent / "outside"
    monkeypatch.setattr("harness.read_like_fit", lambda path, request: outside.write_text("x") and [])
    assert judge(home, Request(), home).outcome == "wrote outside"
    outside.unlink()


def test_the_harness_notices_a_crash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.read_like_fit", lambda path, request: 1 / 0)
    assert judge(home, Request(), home).outcome == "crashed"
