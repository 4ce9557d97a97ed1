"""What the user asked of a fit: everything that decides its result, as plain values."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from keiki.core.errors import OptionError, RequestError
from keiki.data.names import printable
from keiki.data.split import NearCopies

Controls = Literal["quick", "full", "none"]


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """One fit. Paths are kept absolute, so that `--resume` works from any folder.

    val, test: a path to data, or a share between 0 and 1. add: a path to further training data. time: column by which
    the newest part becomes the test set. near_copies: whether they stay on one side, like groups. options: of the
    method, as JSON values. budget: seconds. device: what training runs on. source: a bundle folder or a file of weights
    to start from, and source_digest what it is known by; old: labelled data of the task that it was made for.
    """

    data: str
    out: str | None = None
    input: str | None = None
    label: str | None = None
    files: str | None = None
    group: str | None = None
    time: str | None = None
    near_copies: NearCopies = "together"
    add: str | None = None
    val: str | float | None = None
    test: str | float | None = None
    method: str = "auto"
    backbone: str = "auto"
    source: str | None = None
    source_digest: str | None = None
    old: str | None = None
    options: tuple[str, ...] = ()
    metric: str = "accuracy"
    positive: str | None = None
    controls: Controls = "quick"
    budget: float | None = None
    device: str = "cpu"
    accuracy: float = 0.95
    seed: int = 0
    samples: bool = True

    def __post_init__(self) -> None:
        if self.controls not in ("quick", "full", "none"):
            raise OptionError(f"--controls must be quick, full or none, but got '{self.controls}'.")
        if self.near_copies not in ("together", "apart"):
            raise OptionError(f"--near-copies must be together or apart, but got '{self.near_copies}'.")
        if not 0.5 <= self.accuracy < 1:
            raise OptionError(f"The wanted accuracy must lie in 0.5 to 1, but got {self.accuracy}.")
        if self.old is not None and self.source is None:
            raise OptionError(
                "--old asks what becomes of an old model, but no --from names one.", hint="Add --from RUN."
            )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "options": list(self.options)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The request in `data`, as `to_json` wrote it."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        return cls(**{**values, "options": tuple(values.get("options", ()))})


def place(text: str) -> str:
    """A path as an absolute one; links stay links, so that a circle of them is met where it can be explained."""
    return writable(os.path.abspath(os.path.expanduser(text)))


def writable(path: str) -> str:
    """The path itself, if it can be written down; raises RequestError where its bytes are no UTF-8, or where the
    locale lets Python believe so."""
    if printable(path) == path:
        return path
    try:
        name = os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(
            f"The path '{printable(path)}' holds bytes that are not UTF-8, and no record could name it.",
            hint="Rename it, or give a link to it.",
        ) from None
    raise RequestError(
        f"The path '{name}' cannot be read as text, because file names count as {sys.getfilesystemencoding()} here.",
        hint="Run with PYTHONUTF8=1, or with a locale such as LC_ALL=C.UTF-8.",
    )


def place_or_share(name: str, text: str | float | None) -> str | float | None:
    """`--val` and `--test`: a share such as 0.2, or a path, made absolute."""
    if text is None or isinstance(text, float):
        return text
    try:
        share = float(text)
    except ValueError:
        return place(text)
    if not 0 < share < 1:
        raise OptionError(f"--{name} {text} is a share that does not lie between 0 and 1.", hint="Example: 0.2")
    return share


def seconds(text: str) -> float:
    """A time budget: '90', '90s', '10m', '2h'.

    >>> seconds("10m"), seconds("90")
    (600.0, 90.0)
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        value = -1.0
    if not 0 < value < math.inf:
        raise OptionError(f"'{text}' is no time budget.", hint="Examples: 90s, 10m, 2h")
    return value
