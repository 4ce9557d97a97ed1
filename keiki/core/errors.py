"""Everything keiki raises on purpose.

    KeikiError
    ├── RequestError            the request is wrong                          exit 2
    │   ├── UnknownName         no such method, backbone, option, metric ...
    │   └── OptionError         an option's value is out of range or of the wrong type
    ├── DataError               the data cannot be used as they are           exit 2
    │   ├── UnreadableItem      one file or row; collected and listed, never fatal alone
    │   └── ColumnError         a table's columns are missing or ambiguous
    ├── BundleError             a bundle or run folder is damaged or foreign  exit 2
    ├── InstallationError       a part of the installation is broken          exit 1
    ├── ParityError             an export differs from the model              exit 1
    └── TrainingError           fitting failed (not a number, out of budget)  exit 1

Each error says who needs what and what came (`what`), and what to do next (`hint`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KeikiError(Exception):
    """Parent of all; `what` names the problem, `hint` the next step.

    >>> str(KeikiError("No such folder 'photos'.", hint="Check the path."))
    "No such folder 'photos'. Check the path."
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(f"{what} {hint}".strip())
        self.what = what
        self.hint = hint


class RequestError(KeikiError):
    """The request cannot be carried out as it was made."""

    exit_code = 2


class UnknownName(RequestError):
    """A name that is not registered; the message offers the near miss.

    >>> str(UnknownName("method", "linear-prob", ["lp-ft", "linear-probe"]))
    "There is no method 'linear-prob'. Did you mean 'linear-probe'? Known: linear-probe, lp-ft."
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        guess = f"Did you mean '{near[0]}'? " if near else ""
        super().__init__(f"There is no {kind} '{name}'.", hint=f"{guess}Known: {', '.join(names) or 'none'}.")
        self.name = name


class OptionError(RequestError):
    """An option's value does not fit its type or range."""


class DataError(KeikiError):
    """The data cannot be used as they are."""

    exit_code = 2


class UnreadableItem(DataError):
    """One file or row cannot be read; `reason` is a short phrase for the list of skipped items."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ColumnError(DataError):
    """A table's columns are missing or ambiguous; the message lists the choices."""


class BundleError(KeikiError):
    """A bundle or run folder is damaged, incomplete or foreign."""

    exit_code = 2


class InstallationError(KeikiError):
    """A part of the installation is missing or broken; `keiki doctor` names the cure."""


class ParityError(KeikiError):
    """An exported model does not answer as the original does."""


class TrainingError(KeikiError):
    """Fitting failed."""
