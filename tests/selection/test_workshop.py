"""What controls answered is remembered, and only they; what the clock decided is decided once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keiki.core.random import Randomness
from keiki.data.task import TrainView
from keiki.methods.base import make
from keiki.selection.workshop import Outcome, Workshop, pack, unpack
from keiki.testing.playground import Playground


def equal(first: Outcome, second: Outcome) -> bool:
    return (
        np.array_equal(first.out_of_fold, second.out_of_fold, equal_nan=True)
        and np.array_equal(first.test, second.test, equal_nan=True)
        and first.facts == second.facts
        and first.trained_parameters == second.trained_parameters
    )


@pytest.mark.parametrize("name", ["tfidf-logistic", "majority"])
def test_a_control_from_memory_answers_as_it_did(
    name: str, shop: Workshop, view: TrainView, ground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.outcome(make(name), view, ground.test)
    monkeypatch.setattr(Workshop, "fit", lambda *_: pytest.fail("it was fitted again"))
    again = shop.outcome(make(name), view, ground.test)
    assert equal(first, again)
    assert again.model is None


def test_a_probe_from_memory_comes_with_its_model(
    shop: Workshop, view: TrainView, ground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.outcome(make("linear-probe"), view, ground.test)
    monkeypatch.setattr(Workshop, "fit", lambda *_: pytest.fail("it was fitted again"))
    again = shop.outcome(make("linear-probe"), view, ground.test)
    assert equal(first, again)
    assert first.model is not None
    assert again.model is not None
    assert first.model.transform_name == again.model.transform_name
    assert np.array_equal(first.model.logits(ground.test), again.model.logits(ground.test))


def test_memory_depends_on_all_that_an_answer_depends_on(shop: Workshop, view: TrainView, ground: Playground) -> None:
    control = make("majority")
    identity = shop.identity(control, ground.backbone, view)
    rolled = replace(view, labels=np.roll(view.labels, 1))
    folded = replace(view, folds=view.folds + 1)
    others = [
        shop.identity(make("tfidf-logistic"), ground.backbone, view),
        shop.identity(control, ground.backbone.randomised(0), view),
        shop.identity(control, ground.backbone, rolled),
        shop.identity(control, ground.backbone, folded),
        shop.identity(control, ground.backbone, view.subset(np.arange(5))),
        replace(shop, random=Randomness(1)).identity(control, ground.backbone, view),
        replace(shop, plan=replace(shop.plan, threads=7)).identity(control, ground.backbone, view),
        shop.identity(make("lp-ft", {"epochs": 1}), ground.backbone, view),
        shop.identity(make("lp-ft", {"epochs": 2}), ground.backbone, view),
    ]
    assert len({identity, *others}) == len(others) + 1


def test_an_outcome_survives_packing(shop: Workshop, view: TrainView, ground: Playground) -> None:
    outcome = shop.fit(make("linear-probe"), view, ground.test)
    again, values = unpack(outcome.method, pack(outcome))
    assert outcome.model is not None
    assert values == outcome.model.state()[1]
    assert equal(outcome, again)
    assert (again.seconds, again.prediction_seconds) == (outcome.seconds, outcome.prediction_seconds)


def test_a_method_with_fewest_items_answers_for_those_alone(
    shop: Workshop, view: TrainView, ground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make("linear-probe")
    monkeypatch.setattr(type(method), "max_items", 15)
    outcome = shop.fit(method, view, view.items)
    answered = np.isfinite(outcome.out_of_fold).all(axis=1)
    assert answered.sum() == 15
    assert np.isfinite(outcome.test).all(axis=1).sum() == 15


def test_the_clock_is_asked_once(shop: Workshop) -> None:
    assert shop.decided("first", lambda: "no") == "no"
    assert shop.decided("second", lambda: "yes") == "yes"
    assert shop.decided("first", lambda: pytest.fail("asked again")) == "no"


def test_what_is_decided_while_deciding_is_kept_too(shop: Workshop) -> None:
    assert shop.decided("outer", lambda: shop.decided("inner", lambda: "yes") + "!") == "yes!"
    assert shop.decided("inner", lambda: pytest.fail("asked again")) == "yes"


def test_the_bank_asks_the_workshop(shop: Workshop) -> None:
    assert shop.bank.decided("room", lambda: "none") == "none"
    assert shop.decided("room", lambda: pytest.fail("asked again")) == "none"
    assert not shop.bank.out_of_time()
    shop.deadline = 0.0
    assert shop.bank.out_of_time()


def test_seconds_add_up_by_method(shop: Workshop, view: TrainView, ground: Playground, tmp_path: Path) -> None:
    first = shop.fit(make("majority"), view, ground.test).seconds
    second = shop.fit(make("majority"), view, ground.test).seconds
    assert shop.seconds == {"majority": pytest.approx(first + second)}
