"""A workshop on the tiny text backbone."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import TrainView
from keiki.selection.workshop import Workshop
from keiki.testing.playground import Playground, playground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


@pytest.fixture
def shop(ground: Playground, tmp_path: Path) -> Workshop:
    bank = ground.bank()
    return Workshop(
        ground.backbone, ground.cache, bank, ground.plan, Randomness(0), Record(), decisions=tmp_path / "decisions.json"
    )


@pytest.fixture
def view(ground: Playground) -> TrainView:
    return ground.view
