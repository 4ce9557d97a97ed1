"""Rows of numbers as items: features as they are, whoever made them.

An item is one row, float32 (D,). What it was before (integers, booleans, 64-bit numbers) is said only where the change
costs something: a column loses by it when its values move by more than a millionth of the column's range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.task import Items

LOSS = 1e-6  # of a column's range; 32-bit numbers keep 6e-8 of a value, so only values far from 0 lose so much

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """A matrix (N, D) as float32; `bad`: why a row cannot be used, by row; notes: what the change of type cost."""

    matrix: Matrix
    bad: dict[int, str]
    notes: tuple[str, ...] = ()


def as_rows(values: npt.NDArray[Any], name: str) -> Rows:
    """The rows of `values` (N, D), which are called `name` in errors; raises DataError where they are no such thing.

    >>> rows = as_rows(np.array([[1, 2], [3, 4]]), "X")
    >>> rows.matrix.dtype.name, rows.bad
    ('float32', {})
    >>> as_rows(np.array([[1.0, np.nan], [3.0, 4.0]]), "X").bad
    {0: 'feature 2 of 2 is missing or not a number'}
    """
    _refuse(values, name)
    wide = values if values.dtype in (np.float32, np.float16) else values.astype(np.float64)
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and its row is listed
        matrix = wide.astype(np.float32) + np.float32(0)  # -0.0 becomes 0.0: equal rows have equal bytes
    sound = np.isfinite(matrix).all(axis=1)
    bad = {int(row): _reason(wide[row], matrix[row]) for row in np.flatnonzero(~sound)}
    return Rows(matrix, bad, _losses(wide[sound], matrix[sound], name) if wide.dtype == np.float64 else ())


def vector_items(matrix: Matrix, ids: Sequence[str]) -> Items:
    """Rows (N, D) as items; the rows stay views of `matrix`, which must not change any more."""
    rows = tuple(matrix)
    return Items("vector", tuple(ids), rows, tuple(row_digest(row) for row in rows))


def row_digest(row: Matrix) -> str:
    """SHA-256 of a row: its type and length, then its bytes, lowest first.

    >>> row_digest(np.zeros(2, np.float32)) == row_digest(np.zeros(3, np.float32))
    False
    """
    return sha256_bytes(f"float32 ({len(row)},) ".encode() + row.astype("<f4").tobytes())


def parsed_row(text: str) -> Matrix:
    """The numbers in a line such as '5.1, 3.5, 1.4', parted by commas, semicolons, tabs or blanks.

    Raises UnreadableItem.

    >>> parsed_row("1, 2.5").tolist()
    [1.0, 2.5]
    """
    cells = text.replace(",", " ").replace(";", " ").split()
    try:
        return np.array([float(cell) for cell in cells], dtype=np.float64).astype(np.float32)
    except ValueError as problem:
        raise UnreadableItem("not a row of numbers") from problem


def repeats_by_chance(items: Items) -> bool:
    """Whether equal rows are no copies but coincidences, as among a few columns of yes and no.

    So where at least one pair of equal rows is expected of independent columns: N (N - 1) / 2 times the product over
    columns of the chance that two rows agree there. Always False for items that are no vectors.

    >>> votes = np.array([[0, 1], [1, 1], [0, 1], [1, 0]], dtype=np.float32)
    >>> repeats_by_chance(vector_items(votes, "abcd")), repeats_by_chance(vector_items(votes * 0 + 1, "abcd"))
    (True, True)
    """
    if items.modality != "vector" or len(items) < 2:
        return False
    rows = np.stack([np.asarray(raw) for raw in items.raws])
    n, expected = len(rows), len(rows) * (len(rows) - 1) / 2
    for column in rows.T:
        counts = np.unique(column, return_counts=True)[1]
        expected *= float((counts * (counts - 1.0)).sum()) / (n * (n - 1))
        if expected < 1:  # the usual case is over after two columns
            return False
    return True


def refuse_width(first: Items, second: Items) -> None:
    """Raise DataError where the rows of one differ in length from those of the other: no parts of one task."""
    widths = [len(raw) for items in (first, second) for raw in items.raws[:1] if isinstance(raw, np.ndarray)]
    if len(set(widths)) > 1:
        raise DataError(
            f"Rows with {widths[0]} features and rows with {widths[1]} cannot be parts of one task.",
            hint="All parts of the data must have the same columns in the same order.",
        )


def _refuse(values: npt.NDArray[Any], name: str) -> None:
    shape = " x ".join(str(size) for size in values.shape) or "a single value"
    if values.dtype.kind not in "biuf":
        raise DataError(f"'{name}' holds {_kind(values)}, not numbers.", hint=_KINDS.get(values.dtype.kind, ""))
    if values.ndim == 2 and values.size:
        return
    if values.ndim == 2:
        raise DataError(f"'{name}' is empty: {shape}.", hint="It must be rows x features, with at least one of each.")
    hint = (
        "A single feature has the shape (N, 1): X.reshape(-1, 1)"
        if values.ndim < 2
        else "Save pictures as files, a folder a class; or make rows of them: X.reshape(len(X), -1)"
    )
    raise DataError(f"'{name}' must be rows x features, but is {shape}.", hint=hint)


_KINDS = {
    "U": "Texts belong into a table with a column of texts, or in a DataFrame.",
    "S": "Texts belong into a table with a column of texts, or in a DataFrame.",
    "c": "Give real and imaginary part as two features.",
    "M": "Give dates as numbers, for instance as days since the first one.",
    "m": "Give durations as numbers, for instance in seconds.",
    "V": "Give a plain matrix; columns with names belong into a table.",
    "O": "Make it a matrix of numbers: X.astype(float)",
}


def _kind(values: npt.NDArray[Any]) -> str:
    names = {"U": "texts", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "durations", "V": "records"}
    return names.get(values.dtype.kind, "objects")


def _reason(wide: npt.NDArray[Any], row: Matrix) -> str:
    at = int(np.flatnonzero(~np.isfinite(row))[0])
    why = "missing or not a number" if np.isnan(wide[at]) else "infinite, or too large for a 32-bit number"
    return f"feature {at + 1} of {len(row)} is {why}"


def _losses(wide: npt.NDArray[np.float64], matrix: Matrix, name: str) -> tuple[str, ...]:
    """A note where columns lose digits that tell their rows apart."""
    if not len(wide):
        return ()
    with np.errstate(over="ignore"):
        spread = np.ptp(wide, axis=0)  # exactly 0 for a constant column, which tells no rows apart
    lost = np.flatnonzero((np.abs(wide - matrix).max(axis=0) > LOSS * spread) & (spread > 0))
    if not len(lost):
        return ()
    return (
        f"As 32-bit numbers {len(lost)} of {wide.shape[1]} features of '{name}' lose more than a millionth of their "
        f"range (feature {lost[0] + 1} first); take a constant off such columns, as from years or time stamps.",
    )
