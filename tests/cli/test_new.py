"""keiki new: a file that keeps its promises as it stands, and never in the place of another."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keiki.cli.main import main
from keiki.cli.new import skeleton
from keiki.methods.base import METHODS, Method
from keiki.testing.methods import CHECKS
from keiki.testing.playground import playground

QUICK = {  # of the contract; the others are kept by the probe that the file begins as
    "config_survives_json",
    "every_option_has_help_and_a_default_in_its_range",
    "it_states_idea_title_and_source",
    "phases_are_lazy",
    "it_beats_chance_on_an_easy_task",
}


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Method]]:
    """The method of a new file, registered while a test runs."""
    METHODS.names()  # what is shipped comes first
    assert main(["new", "method", "my-method", "--folder", str(tmp_path)]) == 0
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("my_method")
    yield METHODS.get("my-method")
    METHODS._things.pop("my-method")
    sys.modules.pop("my_method")


def test_a_new_method_is_formed_as_the_contract_asks(newcomer: type[Method], tmp_path: Path) -> None:
    ground = playground("text", tmp_path / "ground")
    checks = [check for check in CHECKS.all() if check.name in QUICK]
    assert len(checks) == len(QUICK)
    for check in checks:
        check(ground, newcomer.name)


def test_it_says_where_the_file_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", "deep-coral", "--folder", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"method": "deep-coral", "file": str(tmp_path / "deep_coral.py")}


def test_the_file_is_short() -> None:
    assert len(skeleton("my-method").splitlines()) < 40
    assert max(map(len, skeleton("my-method").splitlines())) <= 120


def test_a_name_that_is_taken_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", "linear-probe", "--folder", str(tmp_path)]) == 2
    assert "already" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my_method.py").write_text("mine")
    assert main(["new", "method", "my-method", "--folder", str(tmp_path)]) == 2
    assert "there already" in capsys.readouterr().err
    assert (tmp_path / "my_method.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["My-Method", "my_method", "2-steps", "../x", "a--b"])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", name, "--folder", str(tmp_path)]) == 2
    assert "no name for a method" in capsys.readouterr().err


def test_only_methods_can_be_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "metod", "x", "--folder", str(tmp_path)]) == 2
    assert "Did you mean 'method'?" in capsys.readouterr().err
