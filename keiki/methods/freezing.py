"""Which stages lie still: `none`, the first k, all but the last k, or all up to a name."""

from __future__ import annotations

from collections.abc import Sequence

from keiki.core.errors import OptionError, UnknownName


def first_moving(freeze: str, stages: Sequence[str]) -> int:
    """Number of the first stage that may move; those before it lie still.

    >>> [first_moving(each, ["stem", "a", "b", "c"]) for each in ("none", "0", "2", "-1", "a", "all")]
    [0, 0, 2, 3, 2, 4]
    """
    if freeze in ("none", "all"):
        return 0 if freeze == "none" else len(stages)
    if freeze in stages:
        return stages.index(freeze) + 1
    try:
        number = int(freeze)
    except ValueError:
        raise UnknownName("stage", freeze, [*stages, "none", "all"]) from None
    if abs(number) > len(stages):
        raise OptionError(
            f"Option 'freeze' names {abs(number)} stages, but this network has {len(stages)}.",
            hint=f"They are: {', '.join(stages)}.",
        )
    return number if number >= 0 else len(stages) + number
