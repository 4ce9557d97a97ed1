"""What ran, with what, for how long: one JSON line an event in log.jsonl, and the clock of the stages."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class Record:
    """Collects events and stage times of one run.

    Listeners (the progress display) get every event; with a `path` each event is also appended as one JSON line, with
    its facts as `written` leaves them: what a run must not keep can be taken out there.
    """

    def __init__(self, path: Path | None = None, listeners: tuple[Listener, ...] = ()) -> None:
        self.seconds: dict[str, float] = {}
        self._path = path
        self._listeners = listeners
        self.written: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self._start = time.perf_counter()

    def event(self, event: str, **facts: Any) -> None:
        """Note that `event` happened, with its facts (plain JSON values)."""
        head = {"event": event, "at": round(time.perf_counter() - self._start, 3)}
        line = {**head, **facts}
        for listener in self._listeners:
            listener(line)
        if self._path is not None and event != "progress":
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**head, **self.written(facts)}, ensure_ascii=False) + "\n")

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell listeners how far `what` is; not kept in the log."""
        self.event("progress", what=what, done=done, total=total)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; times of the same name add up."""
        self.event("stage", name=name)
        before = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - before

    def total_seconds(self) -> float:
        """Seconds since the record was opened."""
        return time.perf_counter() - self._start
