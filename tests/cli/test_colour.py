"""Colours: bars on a terminal have some, with NO_COLOR nothing has any (https://no-color.org), nor what is piped."""

from __future__ import annotations

import contextlib
import csv
import os
import pty
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keiki.backbones.base import FAMILIES
from keiki.cli import doctor
from keiki.cli.doctor import Finding
from keiki.cli.main import main
from keiki.testing.tiny import TinyFamily, easy_dataset

STYLE = re.compile(r"\x1b\[([0-9;]*)m")
COLOURLESS = {"", "0", "1", "2", "22"}  # back to normal, bold, dim
MOVES = re.compile(
    r"\x1b\[(?:\?25[hl]|[0-9]*[AKG])"
)  # the cursor: hidden, shown, up, and its line wiped for the next bar


def on_terminal(*arguments: str) -> tuple[int, str]:
    """Exit code, and what a terminal is sent, by standard output and standard error together."""
    leader, follower = pty.openpty()
    heard: list[bytes] = []

    def listen() -> None:
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(leader, 2**16):
                heard.append(part)

    listener = threading.Thread(target=listen)
    listener.start()
    with os.fdopen(follower, "w", encoding="utf-8") as terminal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", terminal)
        code = main(arguments)
    listener.join()
    os.close(leader)
    return code, b"".join(heard).decode()


def colours(told: str) -> set[str]:
    """The codes in it that change a colour."""
    return set(STYLE.findall(told)) - COLOURLESS


def _ill() -> Iterator[Finding]:
    yield Finding("b", "broken", "y", "take this")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can do everything, a doctor who finds something, and a tiny backbone."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(doctor, "CHECKS", (doctor.python, _ill))
    FAMILIES.names()
    monkeypatch.setitem(FAMILIES._things, "tiny", TinyFamily)


@pytest.fixture
def a_fit(tmp_path: Path) -> list[str]:
    """The arguments of a fit that takes a second."""
    data = easy_dataset("text", tmp_path)
    with (tmp_path / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *zip(data.items.raws, data.labels or (), strict=True)])
    asked = ["--backbone", "tiny:text", "--test", "0.25", "--controls", "none", "--out", str(tmp_path / "run")]
    return ["fit", str(tmp_path / "texts.csv"), *asked]


PLAIN = (["doctor"], ["prdict"], ["predict", "no-run", "x"], ["--help"], ["fit", "--help"], ["methods"])


def test_bars_have_colours_on_a_terminal(a_fit: list[str]) -> None:
    code, told = on_terminal(*a_fit)
    assert code == 0
    assert colours(told)
    assert MOVES.search(told)


@pytest.mark.parametrize("forced", [False, True])
def test_no_color_takes_the_colours_away(forced: bool, a_fit: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
    code, told = on_terminal(*a_fit)
    assert code == 0
    assert "features" in told
    assert colours(told) == set()
    assert "\x1b" not in MOVES.sub("", STYLE.sub("", told))


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
@pytest.mark.parametrize("wish", ["NO_COLOR", "FORCE_COLOR", None])
def test_results_and_errors_are_plain_even_on_a_terminal(
    wish: str | None, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if wish:
        monkeypatch.setenv(wish, "1")
    told = on_terminal(*arguments)[1]
    assert told.strip()
    assert "\x1b" not in told


@pytest.mark.parametrize("wish", ["NO_COLOR", "FORCE_COLOR"])
def test_nothing_but_text_goes_into_a_pipe(
    wish: str, a_fit: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(wish, "1")
    for arguments in (a_fit, *PLAIN):
        main(arguments)
        told = capsys.readouterr()
        assert told.out + told.err
        assert "\x1b" not in told.out + told.err
