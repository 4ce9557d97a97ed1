"""The run folder: where it lies, who may write into it, and what `runs/last` points to."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

from keiki.core.errors import RequestError
from keiki.core.files import read_json, write_json
from keiki.pipeline.request import FitRequest

REQUEST = "request.json"
DONE = "run.json"
RUNS = Path("runs")


def open_folder(request: FitRequest) -> Path:
    """A new run folder with the request in it; raises RequestError where the place is taken."""
    folder = Path(request.out) if request.out else _next(slug(Path(request.data).stem))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        more = "It holds a run: go on with it by --resume, or name" if (folder / REQUEST).is_file() else "Name"
        raise RequestError(f"The output folder '{folder}' is not empty.", hint=f"{more} another by --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"The output folder '{folder}' cannot be made: {error.strerror}.", hint="Name another by --out."
        ) from error
    write_json(folder / REQUEST, request.to_json())
    return folder


def reopen(folder: Path) -> FitRequest:
    """The request of a run that was cut; raises RequestError where there is none or it has ended."""
    if not (folder / REQUEST).is_file():
        raise RequestError(
            f"'{folder}' holds no run to go on with.", hint="Name it by --out, without --resume to begin."
        )
    if (folder / DONE).is_file():
        raise RequestError(f"The run in '{folder}' has ended already.", hint=f"See {folder / 'report.html'}")
    return FitRequest.from_json(read_json(folder / REQUEST))


def point_to(folder: Path) -> None:
    """Let `last`, beside the run folder, point to it; a file with its name where links are not to be had."""
    link = folder.parent / "last"
    if link.exists() and not link.is_symlink() and not link.is_file():
        return  # a folder of the user's own
    with suppress(FileNotFoundError):
        link.unlink()
    try:
        os.symlink(folder.name, link, target_is_directory=True)
    except OSError:
        link.write_text(folder.name, encoding="utf-8")


def slug(name: str) -> str:
    """A name that is safe in paths.

    >>> slug("My Photos (2026)"), slug("日本")
    ('my-photos-2026', '日本')
    """
    return re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", name)).strip("-_").lower() or "run"


def _next(name: str) -> Path:
    return next(path for n in itertools.count(1) if not (path := RUNS / f"{name}-{n}").exists())
