"""Runs that have ended, opened to be set beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keiki.artifacts.bundle import FOLDER, followed
from keiki.core.errors import BundleError, RequestError
from keiki.core.options import near_miss
from keiki.pipeline import answers as answers_of
from keiki.pipeline import folder as folders
from keiki.pipeline.answers import Answers

MOST_RUNS = 20


@dataclass(frozen=True)
class Finished:
    """A run that has ended: what it is called here, run.json, the cost block of report.json, and its answers."""

    name: str
    folder: Path
    summary: dict[str, Any]
    report: dict[str, Any]
    answers: Answers


def open_runs(paths: Sequence[Path]) -> list[Finished]:
    """The runs at `paths`, each once; raises RequestError for less than two, or for a run compared with itself."""
    if len(paths) < 2:
        raise RequestError("A comparison needs two runs or more.", hint="Example: keiki compare runs/a runs/b")
    if len(paths) > MOST_RUNS:
        raise RequestError(f"At most {MOST_RUNS} runs are compared at a time, but {len(paths)} were named.")
    folders_found = [find_run(path) for path in paths]
    for i, folder in enumerate(folders_found):
        if folder in folders_found[:i]:
            raise _itself(paths[folders_found.index(folder)], paths[i])
    runs = [_open(folder, name) for folder, name in zip(folders_found, _names(paths, folders_found), strict=True)]
    for i, run in enumerate(runs):
        for j, other in enumerate(runs[:i]):
            if run.summary == other.summary:  # down to the seconds it took: a copy of the folder
                raise _itself(paths[j], paths[i])
    return runs


def find_run(path: Path) -> Path:
    """The folder of the finished run meant by `path`: itself, what `last` points to, or the parent of its bundle."""
    folder = followed(path).resolve()
    if folder.name == FOLDER and (folder.parent / folders.DONE).is_file():
        return folder.parent
    if (folder / folders.DONE).is_file():
        return folder
    if (folder / folders.REQUEST).is_file():
        raise BundleError(f"The run '{path}' has not ended.", hint=f"Go on with it: keiki fit --resume --out {path}")
    if not folder.exists():
        near = near_miss(folder.name, [each.name for each in folder.parent.iterdir()] if folder.parent.is_dir() else [])
        hint = f"Did you mean '{path.parent / near}'?" if near else "Name the folder that 'keiki fit' wrote."
        raise BundleError(f"There is no run '{path}'.", hint=hint)
    raise BundleError(
        f"'{path}' is no run: it holds no {folders.DONE}.", hint="Name the folder that 'keiki fit' wrote."
    )


def _open(folder: Path, name: str) -> Finished:
    report = folder / "report.json"
    return Finished(
        name,
        folder,
        folders.read(folder / folders.DONE),
        folders.read(report) if report.is_file() else {},
        answers_of.read(folder),
    )


def _names(paths: Sequence[Path], found: Sequence[Path]) -> list[str]:
    """Names of folders where they differ, else paths as they were given, else whole paths."""
    for names in ([folder.name for folder in found], [str(path) for path in paths]):
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in found]


def _itself(one: Path, other: Path) -> RequestError:
    said = f"'{one}'" if one == other else f"'{one}' and '{other}' are the same run, and it"
    return RequestError(f"{said} cannot be compared with itself.", hint="Name another run.")


def at(data: Mapping[str, Any], *names: str) -> Any:
    """The value under nested names of a JSON object, or None: runs of other versions may lack it."""
    found: Any = data
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found
