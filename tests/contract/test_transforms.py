"""Every transform of every backbone at hand keeps every promise, and no registered kind is left out."""

from __future__ import annotations

import pytest

from keiki.data.transforms.base import TRANSFORMS
from keiki.testing.check import Check
from keiki.testing.transforms import CHECKS, Prepared, used


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    return dict(used(tmp_path_factory.mktemp("transforms")))


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
@pytest.mark.parametrize("kind", TRANSFORMS.names())
def test_transform_keeps_its_promise(kind: str, check: Check, grounds: dict[str, Prepared]) -> None:
    mine = [ground for ground in grounds.values() if ground.transform.kind == kind]
    assert mine, f"no backbone uses '{kind}'"
    for ground in mine:
        check(ground)
