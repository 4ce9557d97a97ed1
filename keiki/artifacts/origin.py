"""What a model still knows of the fit that it came from: the columns of its table, and how good the fit says it is.

Both stand in bundle.json; for a bundle that lacks them, in the run.json of the run that it lies in. Names of columns
only, and figures over all items: nothing of a single one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from keiki.core.errors import BundleError
from keiki.core.files import read_json

RUN_FILE = "run.json"  # of the run around a bundle
_FIGURES = ("value", "low", "high")


@dataclass(frozen=True)
class Columns:
    """The columns that the user named for the fit, as on the command line; None: none was named."""

    input: str | None = None
    label: str | None = None
    group: str | None = None
    time: str | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Those among `facts`, which may hold anything else; labels in a file beside (.npy) are no column."""
        named = {each.name: facts.get(each.name) for each in fields(cls)}
        return cls(**{what: name for what, name in named.items() if isinstance(name, str) and _is_column(name)})

    def to_json(self) -> dict[str, str]:
        """The names that are there."""
        return {what: name for what, name in asdict(self).items() if name is not None}

    def inputs_in(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns of the input by their names, one or several, given those of a table.

        >>> Columns("subject, text").inputs_in(["text"]), Columns("a, b").inputs_in(["a, b"])
        (('subject', 'text'), ('a, b',))
        """
        if self.input is None:
            return ()
        return (self.input,) if self.input in columns else tuple(name.strip() for name in self.input.split(","))


@dataclass(frozen=True)
class OwnEstimate:
    """The accuracy that the fit found, with its interval at 95 %, on `n` items; by: 'held-out' or how else."""

    by: str
    n: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, test: object) -> Self | None:
        """From the "test" block of a fit's JSON; None where there is no accuracy with its interval in it."""
        found = test.get("accuracy") if isinstance(test, Mapping) else None
        if not isinstance(test, Mapping) or not isinstance(found, Mapping):
            return None
        ends = [found.get(name) for name in _FIGURES]
        value, low, high = (float(end) if isinstance(end, int | float) else None for end in ends)
        if value is None or low is None or high is None:
            return None
        return cls(str(test.get("estimate", "")), int(test.get("n", 0)), value, low, high)

    def to_json(self) -> dict[str, Any]:
        """As a "test" block that `of` reads."""
        return {"estimate": self.by, "n": self.n, "accuracy": {name: getattr(self, name) for name in _FIGURES}}


def columns_of(facts: Mapping[str, Any], folder: Path) -> Columns:
    """The columns of the fit that made the bundle in `folder`; facts: its bundle.json."""
    own = facts.get("columns")
    return Columns.of(own if isinstance(own, Mapping) and own else _part(folder, "config"))


def estimate_of(facts: Mapping[str, Any], folder: Path) -> OwnEstimate | None:
    """The own estimate of the fit that made the bundle in `folder`; facts: its bundle.json."""
    return OwnEstimate.of(facts.get("estimate")) or OwnEstimate.of(_part(folder, "test"))


def _is_column(name: str) -> bool:
    return Path(name).suffix.lower() != ".npy"


def _part(folder: Path, name: str) -> Mapping[str, Any]:
    """A part of the run.json around a bundle; empty where there is none. Raises BundleError where it is damaged."""
    path = folder.resolve().parent / RUN_FILE
    if not path.is_file():
        return {}
    try:
        content = read_json(path)
    except ValueError as error:
        raise BundleError(f"'{path}' is damaged: it is not JSON.", hint="Restore it, or fit again.") from error
    found = content.get(name) if isinstance(content, Mapping) else None
    return found if isinstance(found, Mapping) else {}
