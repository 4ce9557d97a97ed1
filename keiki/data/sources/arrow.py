"""Columns of Arrow as text cells, without pandas, which `predict` must not import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from keiki.data.rows import cell_text

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cells_of(column: pa.Array, classes: Sequence[str] | None = None) -> list[str]:
    """The cells of a column as texts, '' where one is missing; classes: the names that integers stand for.

    Times become ISO 8601 (with +00:00 where they have a zone), whole floats integers, lists and records JSON.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return cells_of(column.dictionary_decode(), classes)
    if pa.types.is_timestamp(kind):
        return [_moment(value, zoned=kind.tz is not None) for value in _microseconds(column, kind)]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [value.decode("utf-8", "replace") if value is not None else "" for value in column.to_pylist()]
    if pa.types.is_decimal(kind) or pa.types.is_time(kind):
        return [value or "" for value in column.cast(pa.string()).to_pylist()]
    if pa.types.is_duration(kind):
        coarse = column.cast(pa.duration("us"), safe=False).to_pylist()
        return ["" if value is None else str(value) for value in coarse]
    values = _texts(column) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else column.to_pylist()
    if classes is not None and pa.types.is_integer(kind):
        return [classes[value] if value is not None and 0 <= value < len(classes) else "" for value in values]
    return [_text(value) for value in values]


def _texts(column: pa.Array) -> list[Any]:
    """Texts that are no UTF-8 keep what of them is."""
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        raw = column.cast(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()).to_pylist()
        return [value.decode("utf-8", "replace") if value is not None else None for value in raw]


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else cell_text(value)


def _microseconds(column: pa.Array, kind: pa.DataType) -> list[int | None]:
    import pyarrow as pa

    coarse = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    values: list[int | None] = coarse.cast(pa.int64()).to_pylist()
    return values


def _moment(microseconds: int | None, zoned: bool) -> str:
    if microseconds is None:
        return ""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return ""  # beyond the year 9999: no moment that data are from
    return moment.isoformat() if zoned else moment.replace(tzinfo=None).isoformat()
