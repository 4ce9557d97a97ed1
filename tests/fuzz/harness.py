"""What happens to one input: read as `keiki fit` reads it, judged, timed, and watched for writing where it must not."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from keiki.core.errors import KeikiError
from keiki.core.places import cache_root
from keiki.data.facts import image_fact
from keiki.data.health import check
from keiki.data.load import read_pieces
from keiki.data.sources.base import Request
from keiki.data.task import Skipped

LIMIT = 5.0  # seconds
Outcome = Literal["refused", "skipped", "accepted", "crashed", "too slow", "wrote outside", "unclear"]
_WRITES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "shutil.rmtree"}
# What reading may write below the cache: files that were unpacked, in a folder that is renamed when it is whole.
_OWN = re.compile(
    r"""(/unpacked
        ( /[0-9a-f]{64}(\.lock)?
        | /users(/[0-9]+-[0-9a-f]{8}\.(lock|txt))?
        | /\.part-\w+( /files(/.*)? | /old(/.*)? | /entry\.json | /\.part-\w+\.json )?
        )?
    )?""",
    re.VERBOSE | re.DOTALL,
)
_watching: list[str] = []
_strays: list[str] = []
sys.dont_write_bytecode = True  # modules that are imported while data are read


@dataclass(frozen=True)
class Verdict:
    """`told`: the message, the reasons of the skips, or the traceback."""

    outcome: Outcome
    told: str
    seconds: float


class TooSlow(BaseException):
    """Not an Exception: nothing that handles errors may swallow it."""


def judge(path: Path, request: Request) -> Verdict:
    """Read the data at `path`; nothing may be written but what reading unpacks, where it belongs in the cache."""
    _strays.clear()
    start = time.perf_counter()
    try:
        with _watched(), _limited():
            skipped = read_like_fit(path, request)
        outcome, told = ("skipped" if skipped else "accepted"), "; ".join(f"{s.id}: {s.reason}" for s in skipped)
    except KeikiError as error:
        outcome, told = _clear(error), str(error)
    except TooSlow:
        outcome, told = "too slow", traceback.format_exc()
    except Exception:  # the very thing that is looked for
        outcome, told = "crashed", traceback.format_exc()
    seconds = time.perf_counter() - start
    if _strays:
        return Verdict("wrote outside", ", ".join(_strays), seconds)
    if seconds > LIMIT:
        return Verdict("too slow", told, seconds)
    return Verdict(outcome, told, seconds)  # type: ignore[arg-type]


def read_like_fit(path: Path, request: Request) -> list[Skipped]:
    """What a fit does before anything is computed: read, split, look at every picture. Returns what is left out."""
    pieces = read_pieces(path, request=request)
    broken = []
    for row, raw in enumerate(pieces.data.items.raws):
        if isinstance(raw, Path) and (reason := image_fact(raw)[0].error) is not None:
            broken.append((row, Skipped(pieces.data.items.ids[row], reason)))
    sound = check(pieces.data.without(broken))
    type(pieces)(sound, pieces.val, pieces.test).task()
    return [each for each in sound.skipped if not each.foreign]


def _clear(error: KeikiError) -> Outcome:
    """A message for people: a sentence, without addresses of objects and names of exceptions."""
    text = str(error)
    muddled = any(mark in text for mark in ("object at 0x", "Traceback", "Errno", "Error(", "<class"))
    return "unclear" if muddled or len(text) < 15 or not text.isprintable() else "refused"


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 2 * LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    _watching.append(os.path.realpath(cache_root()))
    try:
        yield
    finally:
        _watching.clear()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's own hook sees every opening, making and renaming of files; it can't be removed, so it sleeps."""
    if not _watching or event not in _WRITES or not arguments:
        return
    if event == "open" and not _opens_for_writing(arguments):
        return
    for place in arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]:
        if isinstance(place, str | bytes | os.PathLike):
            real = os.path.realpath(os.path.join(_base(event, arguments), os.fsdecode(place)))
            if not _is_own(real) and not real.startswith("/dev/"):
                _strays.append(f"{event} {real}")


def _is_own(real: str) -> bool:
    root = _watching[0]
    return real.startswith(root) and _OWN.fullmatch(real[len(root) :]) is not None


def _base(event: str, arguments: tuple[Any, ...]) -> str:
    """The folder that a relative path begins at: shutil.rmtree removes by the descriptor of the folder above."""
    last = arguments[-1] if event in ("os.remove", "os.rmdir") else -1
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{last}") if isinstance(last, int) and last >= 0 else ""
    return ""


def _opens_for_writing(arguments: tuple[Any, ...]) -> bool:
    mode, flags = (*arguments, None, None)[1:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


sys.addaudithook(_audit)
