"""Rows for README of what was measured of training, from the result files alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import tuning_table
from keiki.core.files import read_json

Facts = dict[str, Any]


def training_rows(folder: Path) -> list[Facts]:
    """Each with name, value, unit, low, high, n, goal and reached, as in quick.json; what is missing is left out."""
    return [*_steps(folder), *_survived(folder), *_recipe(folder)]


def _steps(folder: Path) -> Iterator[Facts]:
    """Seconds of a training step, in pairs."""
    for row in _results(folder, "steps").get("rows", {}).values():
        found = row["times_faster"]
        told = {"name": row["words"], "unit": "times faster", "goal": f">= {row['goal']}", "reached": row["reached"]}
        yield {**found, **told}


def _survived(folder: Path) -> Iterator[Facts]:
    """Runs that were killed, and checkpoints that were damaged."""
    if kills := _results(folder, "kill").get("summary"):
        told = {"name": "fits killed at a random moment that ended with the same bits", "unit": "", "low": None}
        counts = {"value": kills["identical"], "high": None, "n": kills["points"], "goal": f">= {kills['points']}"}
        whole = kills["identical"] == kills["points"]
        yield {**told, **counts, "reached": whole if not whole or kills["points"] >= 100 else None}
    if damage := _results(folder, "damage"):
        silent = len(damage["bad"])
        told = {"name": "damaged checkpoints that were loaded silently", "unit": "", "low": None, "high": None}
        yield {**told, "value": silent, "n": damage["times"], "goal": "<= 0", "reached": silent == 0}


def _recipe(folder: Path) -> Iterator[Facts]:
    """What fine-tuning by recipe gains over the probe on the same draws."""
    content = _results(folder, "tuning")
    for each in content.get("plan", {}).get("recipe", {}).get("sizes", ()):
        rows = tuning_table.rows_of(content, "recipe", each)
        ours, theirs = (rows[name].by_draw("accuracy", 100) for name in ("fine-tune", "linear-probe"))
        if found := tuning_table.paired(ours, theirs):
            name = f"OpenMoji, {each} pictures a class: accuracy of `fine-tune` - probe"
            yield {**vars(found), "name": name, "unit": "points", "goal": None, "reached": None}


def _results(folder: Path, name: str) -> Facts:
    """A result file; empty where it has not been made."""
    path = folder / f"{name}.json"
    return read_json(path) if path.is_file() else {}
