"""How far a run is: a bar with rate and time left on a terminal, plain lines elsewhere; always on standard error.

with progress(quiet) as listener:
    record = Record(path, listeners=(listener,))
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from keiki.cli import output
from keiki.core.record import Listener

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY_SECONDS = 5.0  # between two plain lines of one job
_TELLING_SECONDS = 0.5  # a rate over less time says nothing


@contextlib.contextmanager
def progress(quiet: bool = False, stream: TextIO | None = None) -> Iterator[Listener]:
    """A listener for `core.record.Record` that shows stages and progress while the block runs."""
    to = sys.stderr if stream is None else stream
    if quiet:
        yield lambda event: None
    elif to.isatty():
        with _bars(to) as bars:
            yield Bars(bars)
    else:
        yield Lines(to)


@contextlib.contextmanager
def resumable() -> Iterator[Listener]:
    """A listener that learns the folder of the run; where Ctrl-C ends the block, it says how to go on."""
    folders: list[str] = []

    def heard(event: dict[str, Any]) -> None:
        if event["event"] == "run":
            folders.append(event["folder"])

    try:
        yield heard
    except KeyboardInterrupt:
        for folder in folders[-1:]:
            output.say(f"\nkeiki: nothing is lost; go on with: keiki fit --resume --out {shlex.quote(folder)}")
        raise


class Lines:
    """Plain lines: one when a stage starts, and now and then how far it is."""

    def __init__(self, to: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._to = to
        self._clock = clock
        self._started: dict[str, tuple[float, int]] = {}  # when a job was first heard of, and how far it was then
        self._said: dict[str, float] = {}

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "stage":
            print(event["name"], file=self._to, flush=True)
        for note in noted(event):
            print(f"  {note}", file=self._to, flush=True)
        if event["event"] == "progress":
            self._tell(str(event["what"]), int(event["done"]), int(event["total"]))

    def _tell(self, what: str, done: int, total: int) -> None:
        now = self._clock()
        start, first = self._started.setdefault(what, (now, done))
        if done < total and now - self._said.setdefault(what, now) < _EVERY_SECONDS:
            return
        self._said[what] = now
        print(f"  {what} {done}/{total}{pace(done - first, total - done, now - start)}", file=self._to, flush=True)
        if done >= total:
            del self._started[what], self._said[what]


class Bars:
    """A bar for every job on a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._jobs: dict[str, TaskID] = {}

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "stage":
            self._bars.console.print(event["name"], style="dim", highlight=False, markup=False)
        for note in noted(event):
            self._bars.console.print(f"  {note}", highlight=False, markup=False)
        if event["event"] == "progress":
            self._move(str(event["what"]), int(event["done"]), int(event["total"]))

    def _move(self, what: str, done: int, total: int) -> None:
        if what not in self._jobs:
            self._jobs[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._jobs[what], completed=done, total=total)
        if done >= total:
            self._bars.remove_task(self._jobs.pop(what))


def noted(event: dict[str, Any]) -> list[str]:
    """What an event says of more than how far things are.

    >>> noted({"event": "checkpoint damaged", "folder": "000003", "reason": "its digest does not match"})
    ['checkpoint 000003 is damaged (its digest does not match) and is left; training goes on from an older one or anew']
    """
    if event["event"] == "notes":
        return list(event["notes"])
    if event["event"] == "checkpoint damaged":
        damaged = f"checkpoint {event['folder']} is damaged ({event['reason']}) and is left"
        return [f"{damaged}; training goes on from an older one or anew"]
    if event["event"] == "out of memory":
        return [f"memory was short: each batch of '{event['phase']}' was computed in {event['pieces']} pieces"]
    return []


def pace(done: int, left: int, seconds: float) -> str:
    """Rate and time left in words; '' while nothing can be said, as where most was remembered or waits for its batch.

    >>> pace(done=100, left=300, seconds=10.0), pace(done=26, left=0, seconds=0.0007)
    (' (10/s, 30 s left)', '')
    """
    if done <= 0 or seconds < _TELLING_SECONDS:
        return ""
    speed = done / seconds
    return f" ({rate(speed)}, {duration(left / speed)} left)" if left else f" ({rate(speed)})"


def rate(speed: float) -> str:
    """Things a second for people.

    >>> rate(0.3333), rate(36300.0)
    ('0.333/s', '36,300/s')
    """
    return f"{speed:.3g}/s" if speed < 1000 else f"{speed:,.0f}/s"


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(5), duration(90), duration(7200)
    ('5 s', '1 min 30 s', '2 h 0 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _bars(to: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _rate_column(),
        TimeRemainingColumn(),
        console=Console(file=to),
        transient=True,
    )


def _rate_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(rate(task.speed) if task.speed else "")

    return Rate()
