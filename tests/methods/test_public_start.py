"""The control from the public start is trained like what it stands beside: also once more, on all items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.methods.base import make
from keiki.methods.public_start import PublicStart
from keiki.methods.tuning import kept_epoch, validation_rows
from keiki.selection.workshop import Workshop
from keiki.testing.playground import Playground, playground

OPTIONS: dict[str, Any] = {"epochs": 5, "learning_rate": 3e-3, "head_rate": 3e-2, "batch_size": 8, "patience": 5}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


@pytest.fixture
def work(ground: Playground, tmp_path: Path) -> Workshop:
    plan = tmp_path / "plan.json"
    return Workshop(ground.backbone, ground.cache, ground.bank(), ground.plan, Randomness(0), Record(), decisions=plan)


def test_it_learns_from_as_many_items_as_the_start_of_ones_own(ground: Playground, work: Workshop) -> None:
    beside = PublicStart.beside(make("full-finetune", OPTIONS))
    first, second = work.fit(beside, ground.view, ground.test).facts["curves"]
    best = kept_epoch(first)
    learn, _ = validation_rows(ground.view)
    steps = {n: -(-n // 8) - (n % 8 == 1) for n in (len(learn), len(ground.view))}
    assert steps[len(learn)] < steps[len(ground.view)]
    assert first["steps"] == first["epochs"][-1]["epoch"] * steps[len(learn)]
    assert second["steps"] == best * steps[len(ground.view)]


@pytest.mark.parametrize("name", ["lp-ft", "wise-ft", "surgical", "linear-probe"])
def test_the_second_fit_is_the_one_that_the_method_would_have(ground: Playground, work: Workshop, name: str) -> None:
    method = make(name, OPTIONS if name != "linear-probe" else {})
    beside = PublicStart.beside(method)
    model = work._run(beside, ground.backbone, ground.view)
    theirs, ours = method.refitted(model, ground.view), beside.refitted(model, ground.view)
    if theirs is None:
        assert ours is None
        return
    assert ours is not None
    assert isinstance(ours, PublicStart)
    assert (type(ours.like), ours.like.config) == (type(theirs), theirs.config)
    assert ours.like.config.hold_back == "nothing"
