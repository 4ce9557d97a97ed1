"""The doctor finds what is broken, and names its cure."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keiki.cli import doctor as module
from keiki.cli.doctor import Finding, cache, probe, python, weights
from keiki.cli.main import main


def test_a_module_that_is_missing_broken_or_deadly_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_one.py").write_text("import no_such_module_at_all")
    (tmp_path / "deadly_one.py").write_text("import os; os.abort()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "_SPECIAL", ())
    found = probe(["json", "broken_one", "deadly_one", "csv"])
    assert found["json"] == found["csv"] == ""
    assert "no_such_module_at_all" in found["broken_one"]
    assert "ended with code" in found["deadly_one"]


def test_the_engine_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SPECIAL", ("runtime",))  # the guard imports torch
    assert probe([])["runtime"] == ""


def test_the_shipped_weights_are_as_published() -> None:
    assert {finding.state for finding in weights()} == {"ok"}


def test_a_cache_that_cannot_be_written_has_a_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "file" / "cache"))
    (finding,) = cache()
    assert finding.state == "broken"
    assert "KEIKI_CACHE" in finding.cure


def _fine() -> Iterator[Finding]:
    yield Finding("a", "ok", "x")


def _ill() -> Iterator[Finding]:
    yield Finding("b", "broken", "y", "take this")


def _raises() -> Iterator[Finding]:
    raise RuntimeError("odd")
    yield


@pytest.mark.parametrize(("check", "code"), [(_fine, 0), (_ill, 1), (_raises, 1)])
def test_exit_code_says_whether_all_is_well(
    check: object, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "CHECKS", (python, check))
    assert main(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["broken"] == code
    assert main(["doctor"]) == code
    told = capsys.readouterr().out
    assert ("take this" in told) == (check is _ill)
