"""Fine-tuning ends with a fit on all items, as long as the one with a fold apart says; what is unseen stays unseen."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from keiki.core.errors import OptionError, TrainingError
from keiki.core.files import read_json
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.methods.base import Descend, Method, make
from keiki.methods.tuning import kept_epoch, validation_rows
from keiki.selection.workshop import Outcome, Workshop
from keiki.testing.playground import Playground, playground, same, weights_of

OPTIONS: dict[str, Any] = {"epochs": 5, "learning_rate": 3e-3, "head_rate": 3e-2, "batch_size": 8, "patience": 5}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


def shop(ground: Playground, folder: Path, **more: Any) -> Workshop:
    return Workshop(
        ground.backbone,
        ground.cache,
        ground.bank(),
        ground.plan,
        Randomness(0),
        Record(),
        decisions=folder / "plan.json",
        **more,
    )


def fitted(ground: Playground, folder: Path, name: str = "full-finetune", **options: Any) -> Outcome:
    return shop(ground, folder).fit(make(name, OPTIONS | options), ground.view, ground.test)


def test_the_second_fit_learns_from_every_item_up_to_the_best_epoch(ground: Playground, tmp_path: Path) -> None:
    outcome = fitted(ground, tmp_path)
    first, second = outcome.facts["curves"]
    best = kept_epoch(first)
    assert second["phase"] == "tune, all items"
    assert second["epochs"][-1]["epoch"] == best
    learn, _ = validation_rows(ground.view)
    steps = {n: -(-n // 8) - (n % 8 == 1) for n in (len(learn), len(ground.view))}
    assert first["steps"] == first["epochs"][-1]["epoch"] * steps[len(learn)]
    assert second["steps"] == best * steps[len(ground.view)]


def test_unseen_answers_are_those_of_the_first_fit(ground: Playground, tmp_path: Path) -> None:
    once, twice = fitted(ground, tmp_path, refit="no"), fitted(ground, tmp_path)
    np.testing.assert_array_equal(once.out_of_fold, twice.out_of_fold)
    _, stop = validation_rows(ground.view)
    assert np.flatnonzero(np.isfinite(twice.out_of_fold).all(axis=1)).tolist() == stop.tolist()
    assert twice.model is not None
    assert twice.model.rehearsal is not None
    assert once.model is not None
    assert same(weights_of(once.model), weights_of(twice.model.rehearsal))


def test_a_probe_that_nothing_beats_is_solved_on_all_items(ground: Playground, tmp_path: Path) -> None:
    outcome = fitted(ground, tmp_path, "lp-ft", learning_rate=1.0, head_rate=1.0, clip_norm=0.0, warmup_ratio=0.0)
    probe = shop(ground, tmp_path).fit(make("linear-probe"), ground.view, ground.test)
    assert kept_epoch(outcome.facts["curves"][0]) == 0
    np.testing.assert_allclose(outcome.test, probe.test, rtol=1e-4, atol=1e-4)


def test_from_zeros_nothing_is_repeated_that_never_got_better(ground: Playground, tmp_path: Path) -> None:
    outcome = fitted(ground, tmp_path, learning_rate=1e-12, head_rate=1e3, clip_norm=0.0)
    if kept_epoch(outcome.facts["curves"][0]) == 0:
        assert len(outcome.facts["curves"]) == 1


def test_many_items_need_no_second_fit(ground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiki.methods.tuning.REFIT_BELOW", len(ground.view))
    assert len(fitted(ground, tmp_path).facts["curves"]) == 1
    assert len(fitted(ground, tmp_path, refit="yes").facts["curves"]) == 2


@pytest.mark.parametrize(("name", "fact", "option"), [("wise-ft", "mix", "mix"), ("surgical", "part", "part")])
def test_what_the_fold_has_chosen_is_chosen_for_all(
    ground: Playground, tmp_path: Path, name: str, fact: str, option: str
) -> None:
    method = make(name, OPTIONS)
    work = shop(ground, tmp_path)
    model = work._run(method, ground.backbone, ground.view)
    again = method.refitted(model, ground.view)
    assert again is not None
    chosen = model.facts[fact]["share"] if name == "wise-ft" else model.facts[fact]
    assert getattr(again.config, option) == chosen
    assert again.config.hold_back == "nothing"
    names = [p.name for p in again.phases(ground.build(again), ground.view) if isinstance(p, Descend)]
    assert len(names) == 1


def test_time_that_is_over_ends_it_with_what_there_is(ground: Playground, tmp_path: Path) -> None:
    work = shop(ground, tmp_path, deadline=perf_counter() - 1)
    outcome = work.fit(make("lp-ft", OPTIONS), ground.view, ground.test)
    (curve,) = outcome.facts["curves"]
    assert (curve["ended"], curve["steps"]) == ("time", 1)
    assert np.isfinite(outcome.test).all()


def test_how_steps_are_computed_is_written_to_the_plan(ground: Playground, tmp_path: Path) -> None:
    fitted(ground, tmp_path)
    decided = read_json(tmp_path / "plan.json")["decided"]
    assert any("pace of full-finetune, tune" in question for question in decided)
    assert all('"precision": "fp32"' in answer for answer in decided.values())  # so short a fit is not timed


def test_a_method_without_gradients_is_fitted_once(ground: Playground, tmp_path: Path) -> None:
    probe: Method = make("linear-probe")
    model = shop(ground, tmp_path)._run(probe, ground.backbone, ground.view)
    assert probe.refitted(model, ground.view) is None


def test_the_second_fit_keeps_what_the_first_one_settled(ground: Playground, tmp_path: Path) -> None:
    """More items would have meant other numbers by the recipe, and the best epoch is one of the first fit's."""
    method = make("fine-tune", {"epochs": 3, "freeze": "1"})
    model = shop(ground, tmp_path)._run(method, ground.backbone, ground.view)
    again = method.refitted(model, ground.view)
    assert again is not None
    told = model.facts["recipe"]
    assert told.keys() >= {"batch_size", "learning_rate", "head_rate", "patience"}
    for name, found in told.items():
        assert getattr(again.config, name) == found["value"]
    assert again.config.augment == model.facts["augmenting"]["level"]
    outcome = shop(ground, tmp_path).fit(method, ground.view, ground.test)
    assert outcome.facts["recipe"] == told


@pytest.mark.parametrize("option", [{"unfreeze": "stall"}, {"schedule": "plateau"}])
def test_what_validation_steers_is_not_repeated_without_it(
    ground: Playground, tmp_path: Path, option: dict[str, Any]
) -> None:
    assert len(fitted(ground, tmp_path, **option).facts["curves"]) == 1
    with pytest.raises(OptionError, match="hold_back=nothing"):
        make("full-finetune", {"hold_back": "nothing", **option})


def test_a_second_fit_that_fails_leaves_the_first(
    ground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = fitted(ground, tmp_path, refit="no")
    run = Workshop._run

    def fails(self: Workshop, method: Method, *args: Any) -> Any:
        if method.config.hold_back == "nothing":
            raise TrainingError("The loss of 'tune' is nan at step 3.")
        return run(self, method, *args)

    monkeypatch.setattr(Workshop, "_run", fails)
    np.testing.assert_array_equal(fitted(ground, tmp_path).test, once.test)


def test_a_control_that_the_clock_has_cut_is_not_remembered(ground: Playground, tmp_path: Path) -> None:
    scratch = make("from-scratch", {"epochs": 2, "batch_size": 8})
    cut = shop(ground, tmp_path, deadline=perf_counter() - 1)
    assert cut.outcome(scratch, ground.view, ground.test).cut_short
    whole = shop(ground, tmp_path)
    assert not whole.remembers(scratch, ground.view, ground.test)
    assert not whole.outcome(scratch, ground.view, ground.test).cut_short
    assert whole.remembers(scratch, ground.view, ground.test)
