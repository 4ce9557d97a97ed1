"""One clear message, the right exit code, no traceback; and help at once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keiki
from keiki.cli import main as cli
from keiki.cli.main import main, verbs
from keiki.core.errors import KeikiError

HEAVY = ("torch", "torchvision", "timm", "transformers", "sklearn", "pandas", "matplotlib", "numpy", "onnxruntime")


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keiki", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(keiki.__file__).parents[1])},
        **options,  # type: ignore[call-overload]
    )


def test_help_is_quick_and_names_every_verb() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = run("--help")
        seconds.append(time.perf_counter() - start)
    assert done.returncode == 0
    for verb in verbs():
        assert verb in done.stdout
    assert min(seconds) < 0.5


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from keiki.cli.main import main, verbs\n"
        "for verb in ('', *verbs()): main([*filter(None, [verb]), '--help'])\n"
        f"assert not set({HEAVY!r}) & sys.modules.keys(), set({HEAVY!r}) & sys.modules.keys()\n"
        "assert not [m for m in sys.modules if m.startswith('keiki.methods')]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_a_help_with_an_example_and_answers_a_wrong_option(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    assert f"  keiki {verb}" in capsys.readouterr().out
    assert main([verb, "--jsno"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("keiki: ")
    assert "--jsno" in told.err


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: keiki" in capsys.readouterr().out


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"keiki {keiki.__version__}"


def test_a_wrong_verb_answers_with_the_near_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prdict"]) == 2
    assert "Did you mean 'predict'?" in capsys.readouterr().err


def test_a_missing_argument_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict"]) == 2
    assert "RUN" in (told := capsys.readouterr().err)
    assert "keiki predict --help" in told


def test_errors_are_one_json_object_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["predict", "no-run", "x", "--json"], ["prdict", "--json"], ["predict", "--json"]):
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert told.err == ""
        assert json.loads(told.out)["error"]["exit"] == 2


def test_a_flag_after_two_dashes_is_an_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "no-run", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


class Boom:
    """Stands in for the verb 'report'."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def report(self) -> None:
        """Fails."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeikiError("It failed.", hint="Try again."), 1, "keiki: It failed. Try again."),
        (ValueError("odd"), 1, "This is a bug in keiki (ValueError: odd). --debug shows the traceback."),
        (PermissionError(13, "Permission denied", "/x"), 1, "keiki: Permission denied: '/x'."),
        (KeyboardInterrupt(), 130, "keiki: stopped."),
    ],
)
def test_exit_codes_and_messages(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "import_module", _instead("report", Boom(error)))
    assert main(["report"]) == code
    told = capsys.readouterr()
    assert words in told.err
    assert "Traceback" not in told.err


def test_a_refusal_below_the_cache_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    refusal = PermissionError(13, "Permission denied", str(tmp_path / "cache" / "looks.jsonl"))
    monkeypatch.setattr(cli, "import_module", _instead("report", Boom(refusal)))
    assert main(["report"]) == 1
    assert "export KEIKI_CACHE=FOLDER" in capsys.readouterr().err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "import_module", _instead("report", Boom(ValueError("odd"))))
    assert main(["report", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def _instead(verb: str, module: object):  # type: ignore[no-untyped-def]
    from importlib import import_module

    return lambda name: module if name == f"keiki.cli.{verb}" else import_module(name)


def test_a_reader_that_stops_reading_is_no_error(text_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("a phone\n" * 3000)
    command = f"{sys.executable} -m keiki predict {text_bundle} - --quiet < {tmp_path}/many.txt | head -1"
    env = {**os.environ, "PYTHONPATH": str(Path(keiki.__file__).parents[1])}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False, env=env
    )
    assert done.stdout.startswith("input,label")
    assert done.stderr == ""
    assert done.returncode == 0
