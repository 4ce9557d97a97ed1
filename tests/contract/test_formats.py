"""Every registered export format keeps every promise, for pictures and for texts."""

from __future__ import annotations

import pytest

from keiki.artifacts.formats.base import FORMATS
from keiki.testing.check import Check
from keiki.testing.formats import CHECKS, Exported, exported


@pytest.fixture(scope="module", params=["image", "text", "vector"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
@pytest.mark.parametrize("name", FORMATS.names())
def test_format_keeps_its_promise(name: str, check: Check, ground: Exported) -> None:
    check(ground, name)
