"""The run folder: where it lies, who may write into it, which run was cut, and what `runs/last` points to."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from keiki.backbones.disk import is_locked, lock
from keiki.core.errors import BundleError, DataError, RequestError
from keiki.core.files import read_json, write_json, write_text
from keiki.data.task import Task
from keiki.pipeline.request import FitRequest

REQUEST = "request.json"
PLAN = "plan.json"
LOG = "log.jsonl"
CHECKPOINTS = "checkpoints"
DATA = "data.json"  # content and class of every item, while the run is under way
DONE = "run.json"
RUNS = Path("runs")
LAST = "last"
LONGEST = 60  # characters of a run's name; with a number and in UTF-8 they stay below what a file name may have


def open_folder(request: FitRequest) -> Path:
    """A new run folder with the request in it; raises RequestError where the place is taken."""
    try:
        folder = Path(request.out) if request.out else _next(slug(Path(request.data).stem))
        _refuse_full(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / REQUEST, request.to_json())
    except OSError as error:
        raise RequestError(
            f"The output folder '{request.out or RUNS}' cannot be made: {error.strerror}.",
            hint="Name another by --out.",
        ) from error
    return folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The run folder for one process alone; raises RequestError where another one works on it."""
    with (folder / REQUEST).open("r+b") as file:
        if not lock(file, exclusive=True):
            raise RequestError(
                f"Another process works on the run in '{folder}' at this moment.",
                hint="Wait for it, or name another folder by --out.",
            )
        yield


def withdraw(folder: Path) -> None:
    """Take back what a refused request has left in its new folder, and the folder where nothing else is in it.

    Where training has begun everything stays.
    """
    if (folder / CHECKPOINTS).exists():
        return
    for name in (REQUEST, PLAN, LOG, DATA):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody else has put something there
        folder.rmdir()


def reopen(folder: Path) -> FitRequest:
    """The request of a run that was cut; raises RequestError where there is none or it has ended."""
    if not (folder / REQUEST).is_file():
        raise RequestError(
            f"'{folder}' holds no run to go on with.", hint="Name it by --out, without --resume to begin."
        )
    if (folder / DONE).is_file():
        raise RequestError(f"The run in '{folder}' has ended already.", hint=f"See {folder / 'report.html'}")
    try:
        return FitRequest.from_json(read(folder / REQUEST))
    except TypeError as error:
        raise BundleError(
            f"'{folder / REQUEST}' is damaged: {error}.", hint="Begin anew with another --out."
        ) from error


def same_data(folder: Path, task: Task) -> None:
    """Note the data of a run; where it goes on, raise DataError if they are others, and say in what."""
    path = folder / DATA
    now = {content: task.target.classes[label] for content, label in zip(task.items.digests, task.labels, strict=True)}
    if not path.is_file():
        write_json(path, now)
        return
    then = read(path)
    gone, new = then.keys() - now.keys(), now.keys() - then.keys()
    relabelled = [content for content in then.keys() & now.keys() if then[content] != now[content]]
    told = [
        f"{len(items)} {words}"
        for items, words in ((gone, "gone"), (new, "new"), (relabelled, "with another label"))
        if items
    ]
    if told:
        raise DataError(
            f"The data are not those that this run began with: of {len(then)} items {', '.join(told)}.",
            hint="Put them back as they were, or begin anew with another --out.",
        )


def tidy(folder: Path) -> None:
    """Remove what only going on needs: the checkpoints, many times the run's size, and the list of its data."""
    (folder / DATA).unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def read(path: Path) -> dict[str, Any]:
    """A JSON object that a run has written; raises BundleError where it is damaged."""
    try:
        content = read_json(path)
    except ValueError as error:
        raise BundleError(f"'{path}' is damaged: it is not JSON.", hint="Begin anew with another --out.") from error
    if not isinstance(content, dict):
        raise BundleError(f"'{path}' is damaged: it holds no object.", hint="Begin anew with another --out.")
    return content


def cut_run(data: str | None = None) -> Path:
    """The newest run under `runs/`, on `data` if given, that was cut; raises RequestError where there is none."""
    runs = [path.parent for path in RUNS.glob(f"*/{REQUEST}") if not path.parent.is_symlink()]
    cut = [folder for folder in runs if not (folder / DONE).is_file() and not is_locked(folder / REQUEST)]
    found = [folder for folder in cut if data is None or read(folder / REQUEST).get("data") == data]
    if not found:
        of = "" if data is None else f" on '{data}'"
        raise RequestError(
            f"No run{of} in '{RUNS}' waits to be gone on with.", hint="Name its folder: --resume --out RUN"
        )
    return max(found, key=lambda folder: (folder / REQUEST).stat().st_mtime_ns)


def point_to(folder: Path) -> None:
    """Let `last`, beside the run folder, point to it; a file with its name where links are not to be had."""
    link = folder.parent / LAST
    if not _is_ours(link):
        return  # something of the user's own
    temporary = folder.parent / f".{LAST}-{secrets.token_hex(4)}"
    try:
        os.symlink(folder.name, temporary, target_is_directory=True)
    except OSError:
        write_text(link, folder.name)
        return
    os.replace(temporary, link)


def slug(name: str) -> str:
    """A name that is safe in paths.

    >>> slug("My Photos (2026)"), slug("日本")
    ('my-photos-2026', '日本')
    """
    return re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", name)).strip("-_").lower()[:LONGEST] or "run"


def _is_ours(link: Path) -> bool:
    """Whether `last` is absent, or made by an earlier run: a link, or a file with the name of a run beside it."""
    if link.is_symlink() or not link.exists():
        return True
    if not link.is_file() or link.stat().st_size > 255:
        return False
    name = link.read_bytes().decode("utf-8", "replace").strip()
    return bool(name) and (link.parent / name / REQUEST).is_file()


def _refuse_full(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    hint = "Name another by --out."
    if not folder.is_dir():
        raise RequestError(f"The output folder '{folder}' is a file.", hint=hint)
    if (folder / DONE).is_file():
        hint = "It holds a finished run. Name another by --out."
    elif (folder / REQUEST).is_file():
        hint = f"It holds a run that was cut: go on with it by --resume --out {folder}, or name another by --out."
    raise RequestError(f"The output folder '{folder}' is not empty.", hint=hint)


def _next(name: str) -> Path:
    """The first free number; the folder is made at once, so that two fits that start together do not share it."""
    for n in itertools.count(1):
        path = RUNS / f"{name}-{n}"
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise AssertionError("numbers never end")
