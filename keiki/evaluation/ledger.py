"""The ledger: how often a test set has been looked at, over all runs.

A test set that has been looked at many times is no longer unseen: choices drift towards what it rewards. The report
says the number.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Ledger:
    """A file of JSON lines, one a look; several processes may write at once and no look is lost.

    >>> import tempfile
    >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "looks.jsonl")
    >>> ledger.look("3f0a", run="runs/photos-1", purpose="fit"), ledger.look("3f0a", run="runs/photos-2", purpose="fit")
    (1, 2)
    >>> ledger.looks("3f0a"), ledger.looks("9c11")
    (2, 0)
    """

    path: Path

    def look(self, test_digest: str, run: str, purpose: str) -> int:
        """Note a look at the test set of this digest; returns how often it has been looked at, this time included."""
        line = json.dumps({"test": test_digest, "run": run, "purpose": purpose}, ensure_ascii=False)
        with self._locked() as file:
            earlier = _read(file)
            torn = bool(earlier) and not earlier.endswith("\n")  # a writer died in mid-line: keep ours apart from it
            file.write(("\n" if torn else "") + line + "\n")
            file.flush()
            os.fsync(file.fileno())
        return _count(earlier, test_digest) + 1

    def looks(self, test_digest: str) -> int:
        """How often the test set of this digest has been looked at."""
        return _count(self.path.read_text(encoding="utf-8"), test_digest) if self.path.exists() else 0

    @contextlib.contextmanager
    def _locked(self) -> Iterator[IO[str]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes, also when the process dies
            yield file


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _count(text: str, test_digest: str) -> int:
    return sum(_look(line).get("test") == test_digest for line in text.splitlines())


def _look(line: str) -> dict[str, Any]:
    """The look in a line; a torn line is none, because `look` had not returned when it was written."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
