"""What all parts of report.json are made of: strict plain values, and the interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parent of all parts: unknown keys, wrong types, NaN and infinity are refused on reading."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, kw_only=True)
class Interval(Part):
    """An estimate with its confidence limits; the level stands once, in `Report.level`."""

    value: float
    low: float
    high: float
