"""The columns of the fit, taken again: what a table is read by where the user names nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from keiki.artifacts.origin import Columns
from keiki.core.errors import ColumnError
from keiki.data.names import listing
from keiki.data.sources.base import Request
from keiki.data.task import Dataset

NO_COLUMNS = " has no columns, so --"  # of folders, in the words of their source
ABOUT = ("input", "label", "group")  # what data to measure on are read by
_PLACES = {"input": "took its input from", "label": "took its labels from", "group": "took its groups from"}
_PLACES |= {"time": "took its times from"}


def wanted(modality: str, *, labels: bool) -> tuple[str, ...]:
    """Which columns of the fit are looked for. In a table of numbers every column that is not named is a feature."""
    return (*ABOUT, "time") if modality == "vector" else ABOUT if labels else ("input",)


def read_as_fitted(
    read: Callable[[Request], Dataset], request: Request, fitted: Columns, about: Sequence[str] = ABOUT
) -> Dataset:
    """What `read` gives by the columns of the fit, where `request` names none and as far as they are there.

    Its notes begin with the columns that were taken from the fit, with those that are missing, and with an input that
    differs from that of the fit. Raises what `read` raises, with the columns that the fit used.
    """
    named = {*_parts(request.input or ""), request.label, request.group, request.time} - {"", None}
    wish = {
        what: name
        for what in about
        if (name := getattr(fitted, what)) is not None and getattr(request, what) is None and name not in named
    }
    missing: dict[str, str] = {}
    while True:
        alone = not named and wish.keys() == {"input"}  # nothing was said of other data: hear where it is missing
        try:
            found = read(replace(request, **wish, strict=request.strict or alone))
        except ColumnError as problem:
            if wish and NO_COLUMNS in problem.what:
                wish = {}
            elif lost := _lost(problem, wish):
                missing[lost] = wish.pop(lost)
            else:
                said = " ".join(_absent(*each) for each in missing.items())
                raise ColumnError(problem.what, hint=f"{problem.hint} {said}".strip()) from problem
        else:
            told = {what: name for what, name in wish.items() if what == "input" or request.labelled}
            absent = [_absent(*each) for each in missing.items()]
            return replace(found, notes=(*_taken(told), *absent, *_other(request, fitted), *found.notes))


def _lost(problem: ColumnError, wish: dict[str, str]) -> str | None:
    """Which of the wishes the data cannot meet."""
    return next(
        (what for what in wish if f" for --{what}." in problem.what or f"--{what} {wish[what]} is no " in problem.what),
        None,
    )


def _taken(wish: dict[str, str]) -> list[str]:
    taken = ", ".join(f"{what} {_listed(what, name)}" for what, name in wish.items())
    return [f"As in the fit: {taken}."] if taken else []


def _absent(what: str, name: str) -> str:
    alone = " Without them each item counts for itself." if what == "group" else ""
    return f"The fit {_PLACES[what]} {_columns(what, name)}, not all of which are here.{alone}"


def _other(request: Request, fitted: Columns) -> list[str]:
    """That the user names another input than that of the fit."""
    if request.input is None or fitted.input is None or _parts(request.input) == _parts(fitted.input):
        return []
    asked = _columns("input", request.input)
    return [f"The fit {_PLACES['input']} {_columns('input', fitted.input)}; this time it is {asked}, as was asked."]


def _columns(what: str, name: str) -> str:
    several = what == "input" and len(_parts(name)) > 1
    return f"column{'s' if several else ''} {_listed(what, name)}"


def _listed(what: str, name: str) -> str:
    return listing(_parts(name), 12) if what == "input" else f"'{name}'"


def _parts(name: str) -> list[str]:
    return [each.strip() for each in name.split(",")]
