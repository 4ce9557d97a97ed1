"""Options that make no sense are refused before anything is computed."""

from __future__ import annotations

import math

from keiki.core.errors import OptionError
from keiki.core.options import Config


def refuse_outside(config: Config, name: str, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Raise OptionError unless low <= value <= high and it is finite; `above`: the value must lie above `low`."""
    value = getattr(config, name)
    if math.isfinite(value) and low <= value <= high and not (above and value == low):
        return
    least = f"above {low:g}" if above else f"at least {low:g}"
    most = f" and at most {high:g}" if math.isfinite(high) else "" if math.isfinite(value) else " and finite"
    raise OptionError(f"Option '{name}' must be {least}{most}, but got {value}.")
