"""Every backbone that can be opened here keeps every promise; graphs are shared by the whole test session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keiki.backbones.base import FAMILIES, load
from keiki.backbones.cache import open_cache
from keiki.testing.backbones import CHECKS, Opened, listed, opened
from keiki.testing.check import Check
from keiki.testing.tiny import TinyFamily


@pytest.fixture(scope="module")
def _tiny() -> Iterator[None]:
    FAMILIES.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES._things, "tiny", TinyFamily)
        yield


@pytest.fixture(scope="module", params=[*listed(), *TinyFamily.listed()])
def ground(_tiny: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return opened(request.param, load(request.param), open_cache(), tmp_path_factory.mktemp("items"))


@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
def test_backbone_keeps_its_promise(ground: Opened, check: Check) -> None:
    check(ground)
