"""Labels in an array: class names of integers, booleans, texts, whole numbers kept as floats, and one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError
from keiki.data.columns import MISSING, SPLIT_VALUES
from keiki.data.names import listing, spelled
from keiki.data.rows import cell_text
from keiki.data.task import PARTS, Part

Array = npt.NDArray[Any]


def class_names(values: Array, n_rows: int, name: str, classes: list[str] | None = None) -> list[str]:
    """A class name for each row, '' where it is missing; `classes` are the names that integers point to.

    values: (N,), (N, 1), or one-hot (N, C). Raises DataError for anything else, and for integers that point to no name.

    >>> class_names(np.array([1.0, np.nan, 0.0]), 3, "y")
    ['1', '', '0']
    >>> class_names(np.array([[0, 1], [1, 0]]), 2, "y", ["cat", "dog"])
    ['dog', 'cat']
    """
    flat = _flat(values, n_rows, name)
    if flat.dtype.kind in "US":
        return ["" if each.casefold() in MISSING else each for each in map(spelled, texts(flat))]
    if flat.dtype.kind not in "biuf":
        raise DataError(
            f"'{name}' holds {flat.dtype}, which name no classes.", hint="Give labels as texts: y.astype(str)"
        )
    missing = np.isnan(flat) if flat.dtype.kind == "f" else np.zeros(len(flat), dtype=np.bool_)
    whole = bool((flat[~missing] == np.trunc(flat[~missing])).all()) if flat.dtype.kind == "f" else True
    names = ["" if gone else _name(value, whole) for value, gone in zip(flat.tolist(), missing.tolist(), strict=True)]
    if classes is None:
        return names
    if not whole:
        raise DataError(f"'{name}' holds fractions, which point to none of the classes {listing(classes)}.")
    return [each and _pointed(int(value), classes, name) for value, each in zip(flat.tolist(), names, strict=True)]


def texts(values: Array) -> list[str]:
    """The cells of an array (N,) of texts, bytes or numbers as texts; bytes are taken for UTF-8."""
    if values.dtype.kind == "S":
        return [bytes(each).decode("utf-8", "replace") for each in values.tolist()]
    if values.dtype.kind == "M":
        return [str(each) for each in np.datetime_as_string(values).tolist()]
    return [str(each) for each in values.tolist()]


def parts_of(words: list[str], what: str, learned: bool = True) -> list[Part] | None:
    """The part of the data that each word names; None where none of them does.

    Where only some do, raises DataError if the rows are to be `learned` from: test rows would be among them.

    >>> parts_of(["Train", "test", ""], "split"), parts_of(["left", "right"], "split")
    (['train', 'test', ''], None)
    """
    plain = [word.strip().casefold() for word in words]
    unknown = sorted(set(plain) - set(SPLIT_VALUES))
    if not set(plain) & set(PARTS) or (unknown and not learned):
        return None
    if unknown:
        raise DataError(
            f"{what} says which rows are for training and test, but {listing(unknown)} is no part that is known.",
            hint=f"Write {', '.join(sorted(PARTS))} or leave it empty; if it is no split, call it something else.",
        )
    return [SPLIT_VALUES[word] for word in plain]


def one_a_row(values: Array, n_rows: int, name: str, rows: str = "rows") -> Array:
    """`values` as (N,); raises DataError unless there is one for each of the N rows."""
    flat = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.shape != (n_rows,):
        shape = " x ".join(map(str, values.shape)) or "a single value"
        raise DataError(f"'{name}' must have one entry for each of the {n_rows} {rows}, but is {shape}.")
    return flat


def _flat(values: Array, n_rows: int, name: str) -> Array:
    if values.ndim == 2 and values.shape[1] > 1 and len(values) == n_rows and values.dtype.kind in "biuf":
        if ((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all():
            return np.asarray(values.argmax(axis=1))
        raise DataError(
            f"'{name}' has {values.shape[1]} columns that are not one-hot; each row needs exactly one class.",
            hint="Several classes a row, and numbers to predict, are not there yet.",
        )
    return one_a_row(values, n_rows, name)


def _name(value: float | bool, whole: bool) -> str:
    if isinstance(value, bool):
        return cell_text(value)
    return str(int(value)) if whole else repr(value)


def _pointed(number: int, classes: list[str], name: str) -> str:
    if 0 <= number < len(classes):
        return classes[number]
    raise DataError(
        f"'{name}' holds {number}, but the names of the classes go from 0 to {len(classes) - 1}: {listing(classes)}."
    )
