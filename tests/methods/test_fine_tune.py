"""Fine-tuning by recipe begins anew, and goes back to the probe where held-back items clearly like it better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keiki.methods.base import make
from keiki.methods.fine_tune import FineTune
from keiki.methods.tuning import learning_part, validation_rows
from keiki.selection.workshop import Workshop
from keiki.testing.playground import Playground, playground, small


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


def tuned(**options: object) -> FineTune:
    method = small("fine-tune")
    assert isinstance(method, FineTune)
    return FineTune(replace(method.config, **{"start": "zeros", **options}))


HOPELESS: dict[str, object] = {"learning_rate": 1e-12, "head_rate": 1e-12, "epochs": 1}


def test_it_begins_with_a_head_that_says_nothing(ground: Playground) -> None:
    model = ground.train(tuned())
    first = model.facts["curves"][0]["epochs"][0]["validation_loss"]
    assert first == pytest.approx(np.log(3))


def test_the_probe_is_kept_where_training_brought_nothing(ground: Playground) -> None:
    method = tuned(**HOPELESS)
    model = ground.train(method)
    assert model.facts["preferred"] == "probe"
    probe = ground.train(make("linear-probe"), view=learning_part(ground.view, method.config))
    np.testing.assert_allclose(model.logits(ground.test), probe.logits(ground.test), atol=1e-4)
    _, stop = validation_rows(ground.view)
    assert model.out_of_fold is not None
    np.testing.assert_allclose(model.out_of_fold[stop], probe.logits(ground.view.items.take(stop)), atol=1e-4)
    source = model.source.state_dict()
    assert all(bool((tensor == source[name]).all()) for name, tensor in model.network.body.state_dict().items())
    assert model.facts["movement"]["distance"] == 0
    assert model.trained_parameters() == sum(p.numel() for p in model.network.head_parameters())


@pytest.mark.parametrize(("gain", "kept"), [(-0.5, "network"), (0.0, "network"), (0.1, "network"), (0.3, "probe")])
def test_the_probe_has_to_be_better_by_a_standard_error(
    gain: float, kept: str, ground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held-out losses are made up: the probe gains `gain` on the mean, with a standard error of 0.2."""
    differences = np.array([-1.0, 1.0] * 13)
    differences *= 0.2 * np.sqrt(26) / differences.std(ddof=1)
    losses = iter([2.0 + gain + differences, np.full(26, 2.0)])
    monkeypatch.setattr("keiki.methods.fine_tune.held_losses", lambda *_: next(losses))
    model = ground.train(tuned())
    assert model.facts["preferred"] == kept
    assert (model.facts["movement"]["distance"] > 0) == (kept == "network")


def test_the_refit_of_a_kept_probe_is_the_probe_of_all_items(ground: Playground) -> None:
    method = tuned(**HOPELESS)
    again = method.refitted(ground.train(method), ground.view)
    assert again is not None
    whole = ground.train(again)
    assert whole.trained_parameters() == sum(p.numel() for p in whole.network.head_parameters())
    probe = ground.train(make("linear-probe"))
    np.testing.assert_allclose(whole.logits(ground.test), probe.logits(ground.test), atol=1e-4)


def test_the_outcome_tells_that_the_probe_was_kept(ground: Playground, tmp_path: Path) -> None:
    shop = workshop(ground)
    outcome = shop.fit(tuned(**HOPELESS), ground.view, ground.test)
    assert outcome.facts["preferred"] == "probe"


def workshop(ground: Playground) -> Workshop:
    from keiki.core.random import Randomness
    from keiki.core.record import Record
    from keiki.engines.plan import make_plan

    return Workshop(ground.backbone, ground.cache, ground.bank(), make_plan(threads=1), Randomness(0), Record())


@pytest.mark.parametrize("head", ["cosine", "mlp"])
def test_a_bent_head_has_no_probe_to_fall_back_on(head: str, ground: Playground) -> None:
    model = ground.train(tuned(head=head, hidden=4))
    assert "preferred" not in model.facts


def test_the_rate_of_the_head_is_taken_once_and_survives_a_resume(ground: Playground, tmp_path: Path) -> None:
    method = tuned(head_rate="auto", epochs=2)
    whole = ground.train(method, checkpoints=tmp_path / "whole")
    spread = whole.facts["spread of the features"]
    x = np.asarray(whole.features(ground.view.items.take(validation_rows(ground.view)[0])), dtype=np.float64)
    assert spread == pytest.approx(np.abs(x - x.mean(axis=0)).sum(axis=1).mean(), rel=1e-6)
    assert whole.facts["recipe"]["head_rate"]["value"] == pytest.approx(np.clip(0.25 / spread, 1e-5, 0.1))

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ground.train(method, checkpoints=tmp_path / "cut", listeners=(stop,))
    again = ground.train(method, checkpoints=tmp_path / "cut")
    ours, theirs = again.network.state_dict(), whole.network.state_dict()
    assert all(bool((ours[name] == theirs[name]).all()) for name in theirs)


def test_from_a_probe_nothing_is_compared(ground: Playground) -> None:
    model = ground.train(tuned(start="probe"))
    assert "preferred" not in model.facts
