"""Every registered method keeps every promise, in every modality that it declares."""

from __future__ import annotations

import pytest

from keiki.testing.check import Check
from keiki.testing.methods import CHECKS, pairs
from keiki.testing.playground import Playground, playground


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Playground]:
    return {m: playground(m, tmp_path_factory.mktemp(m)) for m in ("image", "text", "vector")}


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
@pytest.mark.parametrize(("name", "modality"), pairs(), ids=lambda value: str(value))
def test_method_keeps_its_promise(name: str, modality: str, check: Check, grounds: dict[str, Playground]) -> None:
    check(grounds[modality], name)
