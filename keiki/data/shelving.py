"""Arrays in memory, written down once: what a fit reads lies on disk, so that it can be resumed and repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError
from keiki.core.files import sha256_bytes, writing
from keiki.data.vectors import as_rows

Array = npt.NDArray[Any]

_KNOWN = "Known: a matrix X (N, D), a pair (X, y), a mapping with 'X' and 'y', and scikit-learn's Bunch of numbers."
_PAIRS = (("X", "y"), ("data", "target"))


def shelved_arrays(data: object, shelf: Path) -> Path:
    """Write arrays to an .npz under `shelf`, in a folder named by their content, and return its path.

    data: a matrix (N, D), a pair (X, y), a mapping with X and y (or data and target), or scikit-learn's Bunch of
    numbers. What lies there already is left as it is. Raises DataError for anything else.
    """
    name, arrays = _named(data)
    content = "".join(f"{key} {array.dtype.str} {array.shape} {_digest(array)}\n" for key, array in arrays.items())
    path = shelf / sha256_bytes(content.encode())[:32] / f"{name}.npz"
    if not path.is_file():
        with writing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    return path


def _named(data: object) -> tuple[str, dict[str, Array]]:
    """A name for the data, and their arrays by the names that the source of arrays knows."""
    if isinstance(data, Mapping):
        return _of_mapping(data)
    if isinstance(data, tuple | list) and len(data) == 2 and not isinstance(data[0], str | int | float):
        return "arrays", _checked(data[0], data[1])
    if hasattr(data, "__array__") and not isinstance(data, str | bytes):
        return "arrays", _checked(data, None)
    raise DataError(f"Data of the type '{type(data).__name__}' cannot be taken as rows of numbers.", hint=_KNOWN)


def _of_mapping(data: Mapping[str, Any]) -> tuple[str, dict[str, Array]]:
    """scikit-learn's Bunch is a mapping with data, target, target_names, and the name of the file it came from."""
    pair = next(((x, y) for x, y in _PAIRS if x in data), None)
    if pair is None:
        raise DataError(f"A mapping with {sorted(map(str, data))[:8]} names no features.", hint=_KNOWN)
    arrays = _checked(data[pair[0]], data.get(pair[1]))
    if data.get("groups") is not None:
        arrays["groups"] = _labels(data["groups"], "groups")
    names = data.get("target_names")
    if names is not None and "y" in arrays and arrays["y"].dtype.kind in "iub":
        arrays["classes"] = _labels(names, "target_names")
    stem = Path(str(data.get("filename") or "arrays")).name.split(".")[0]
    return re.sub(r"[^\w-]+", "-", stem) or "arrays", arrays


def _checked(features: object, labels: object) -> dict[str, Array]:
    matrix = _matrix(features)
    as_rows(matrix[:1], "X")  # refuses what is no matrix of numbers
    if labels is None:
        return {"X": matrix}
    named = _labels(labels, "y")
    if named.ndim == 0 or len(named) != len(matrix):
        raise DataError(f"There are {len(np.atleast_1d(named))} labels for {len(matrix)} rows of X.")
    return {"X": matrix, "y": named}


def _matrix(features: object) -> Array:
    """The features as an array of numbers."""
    if hasattr(features, "toarray"):
        raise DataError(
            "X is a sparse matrix, and features as they are must be dense.",
            hint="X.toarray(), or fewer columns first: sklearn.decomposition.TruncatedSVD",
        )
    try:
        matrix = np.asarray(features)
        return matrix.astype(np.float64) if matrix.dtype.kind == "O" else matrix
    except (ValueError, TypeError) as problem:
        reason = " ".join(str(problem).split())[:120]
        raise DataError(f"X cannot be made a matrix of numbers: {reason}.", hint=_KNOWN) from problem


def _labels(labels: object, name: str) -> Array:
    """Labels as an array that needs no pickling: objects become texts, missing ones ''."""
    try:
        array = np.asarray(labels)
    except ValueError as problem:
        raise DataError(f"'{name}' must be one list with an entry for each row.") from problem
    if array.dtype.kind != "O":
        return array
    if array.ndim != 1:
        raise DataError(f"'{name}' must have one entry for each row.")
    return np.array(["" if _is_missing(each) else str(each) for each in array.tolist()], dtype=np.str_)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value) or str(value) in ("<NA>", "NaT")


def _digest(array: Array) -> str:
    return sha256_bytes(np.ascontiguousarray(array).tobytes())
