"""Progress: plain lines now and then, bars on a terminal, nothing when quiet."""

import io

from keiki.cli.progress import Lines, progress
from keiki.core.record import Record


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, quiet: bool = False) -> str:
    with progress(quiet, stream) as listener:
        record = Record(listeners=(listener,))
        with record.stage("features"):
            for done in (1, 2, 3):
                record.progress("pictures", done, 3)
        record.event("skipped", id="x", reason="y")
    return stream.getvalue()


def test_plain_lines_outside_a_terminal() -> None:
    found = told(io.StringIO()).splitlines()
    assert found[0] == "features"
    assert found[1].startswith("  pictures 3/3")
    assert len(found) == 2


def test_nothing_when_quiet() -> None:
    assert told(io.StringIO(), quiet=True) == ""


def test_bars_on_a_terminal() -> None:
    assert "features" in told(Terminal())


def test_lines_come_every_few_seconds_with_rate_and_time_left() -> None:
    now = [0.0]
    stream = io.StringIO()
    lines = Lines(stream, clock=lambda: now[0])
    for done in range(0, 101, 10):
        lines({"event": "progress", "what": "pictures", "done": done, "total": 100})
        now[0] += 1.0
    assert stream.getvalue().splitlines() == [
        "  pictures 50/100 (10/s, 5 s left)",
        "  pictures 100/100 (10/s)",
    ]


def test_no_rate_is_said_of_what_was_there_at_once() -> None:
    """The features were remembered, so what is counted is how fast a list is read."""
    now = [0.0]
    stream = io.StringIO()
    lines = Lines(stream, clock=lambda: now[0])
    for done in (32, 58):
        lines({"event": "progress", "what": "features", "done": done, "total": 58})
        now[0] += 0.0007
    assert stream.getvalue() == "  features 58/58\n"
