"""Features as they are: rows of numbers, each column brought to mean 0 and variance 1 of the training rows.

Standardising belongs to the preparation, in float64: columns such as years or areas would lose their digits if a head
took them as they are in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from keiki.core.errors import DataError, UnreadableItem
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform

_BLOCK = 2048  # rows that are widened at a time

FloatArray = npt.NDArray[np.float64]


@TRANSFORMS.add("vector")
@dataclass(frozen=True)
class VectorTransform(Transform):
    """(x - mean) / scale, computed in float64 and kept as float32; mean and scale have one number a feature."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    _mean: FloatArray = field(init=False, repr=False, compare=False)
    _scale: FloatArray = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "vector"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mean", np.array(self.mean, dtype=np.float64))
        object.__setattr__(self, "_scale", np.array(self.scale, dtype=np.float64))

    @classmethod
    def fit(cls, raws: Sequence[Raw]) -> VectorTransform:
        """The transform that standardises these rows; a constant column is only centred.

        Raises DataError unless all rows are equally long.

        >>> VectorTransform.fit([np.float32([1, 5]), np.float32([3, 5])]).prepare(np.float32([3, 6])).tolist()
        [1.0, 1.0]
        """
        rows = _stacked(raws, None)
        mean, deviation = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
        constant = rows.min(axis=0) == rows.max(axis=0)  # told exactly: the mean of equal values is rounded
        return cls(
            tuple(np.where(constant, rows[0], mean).tolist()),
            tuple(np.where(constant | (deviation == 0), 1.0, deviation).tolist()),
        )

    @property
    def width(self) -> int:
        """D, the number of features."""
        return len(self.mean)

    def prepare(self, raw: Raw) -> Array:
        """float32 (D,) of a row of D finite numbers; raises UnreadableItem."""
        try:
            row = np.asarray(raw)
        except ValueError as problem:  # rows in a row, of different lengths
            raise UnreadableItem("not a row of numbers") from problem
        if row.ndim != 1 or row.dtype.kind not in "biuf":
            raise UnreadableItem("not a row of numbers")
        if len(row) != self.width:
            raise UnreadableItem(f"{len(row)} features instead of {self.width}")
        prepared = self._standardised(row)
        if not np.isfinite(prepared).all():
            at = int(np.flatnonzero(~np.isfinite(prepared))[0])
            raise UnreadableItem(f"feature {at + 1} of {self.width} is missing, infinite or too large")
        return prepared

    def matrix(self, raws: Sequence[Raw]) -> npt.NDArray[np.float32]:
        """`prepare` of all rows (N, D) at once; raises DataError where one has another number of features."""
        rows = _stacked(raws, self.width)
        prepared = np.empty(rows.shape, dtype=np.float32)
        for start in range(0, len(rows), _BLOCK):
            prepared[start : start + _BLOCK] = self._standardised(rows[start : start + _BLOCK])
        return prepared

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """{'features': float32 (B, D)}."""
        return {"features": np.stack(list(prepared))}

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "mean": list(self.mean), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        return cls(tuple(map(float, data["mean"])), tuple(map(float, data["scale"])))

    def _standardised(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told by the caller
            standardised = (rows.astype(np.float64) - self._mean) / self._scale
            return np.asarray(standardised.astype(np.float32))


def _stacked(raws: Sequence[Raw], width: int | None) -> npt.NDArray[Any]:
    """The rows as one matrix (N, D); all of them `width` long, or as long as the first."""
    if not len(raws):
        return np.zeros((0, width or 0), dtype=np.float32)
    rows = [np.asarray(raw) for raw in raws]
    wanted = (len(rows[0]) if rows[0].ndim else 0) if width is None else width
    for number, row in enumerate(rows):
        if row.shape != (wanted,):
            count = f"{len(row)} features" if row.ndim == 1 else "no row of numbers"
            raise DataError(
                f"Rows must have {wanted} features each, but row {number + 1} of {len(rows)} has {count}.",
                hint="All parts of the data must have the same columns in the same order.",
            )
    return np.stack(rows)
