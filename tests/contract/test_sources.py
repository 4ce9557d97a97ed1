"""Every registered source keeps every promise on an example of its format."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiki.data.sources.base import SOURCES
from keiki.testing.check import Check
from keiki.testing.sources import CHECKS, EXAMPLES


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
@pytest.mark.parametrize("name", SOURCES.names())
def test_source_keeps_its_promise(name: str, check: Check, tmp_path: Path) -> None:
    check(EXAMPLES.get(name)(tmp_path), name)
