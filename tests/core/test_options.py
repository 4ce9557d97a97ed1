"""What only code sets among the options is no word of the command line, and is kept all the same."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from keiki.core import options
from keiki.core.errors import UnknownName
from keiki.core.options import option, rows


@dataclass(frozen=True, kw_only=True)
class Options(options.Config):
    epochs: int = option(3, "passes over the items")
    until: int | None = option(None, "the last of them", inner=True)


def test_an_inner_option_is_for_code_alone() -> None:
    assert [row.name for row in rows(Options)] == ["epochs"]
    assert Options.parse(["epochs=2"]) == Options(epochs=2)
    with pytest.raises(UnknownName, match=r"no option 'until'.*Known: epochs\."):
        Options.parse(["until=1"])
    assert Options.from_json(Options(until=1).to_json()).until == 1
