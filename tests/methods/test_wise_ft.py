"""WiSE-FT: weights between source and tuned, by hand and by the held-back fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from keiki.methods.base import Model, make
from keiki.testing.playground import Playground, playground

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("image", tmp_path_factory.mktemp("ground"))


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.network.state_dict().items()}


def test_every_weight_lies_on_the_way_from_the_probe_to_the_tuned_network(ground: Playground) -> None:
    options = {**QUICK, "hold_back": "nothing"}
    source, between, tuned = (weights(ground.train(make("wise-ft", {**options, "mix": m}))) for m in (0.0, 0.25, 1.0))
    probe = weights(ground.train(make("lp-ft", {**options, "until": 0})))
    for name, tensor in between.items():
        if tensor.is_floating_point():
            assert torch.equal(source[name], probe[name])
            assert not torch.equal(source[name], tuned[name]) or "running" in name
            torch.testing.assert_close(tensor, 0.75 * source[name] + 0.25 * tuned[name], rtol=1e-5, atol=1e-6)


def test_the_descent_begins_with_zeros_and_the_source_keeps_its_probe(ground: Playground) -> None:
    model = ground.train(make("wise-ft", QUICK))
    first = model.facts["curves"][0]["epochs"][0]["validation_loss"]
    assert first == pytest.approx(np.log(len(ground.task.target.classes)))
    assert model.facts["mix"]["log_loss"]["0.0"] < first
    from_probe = ground.train(make("wise-ft", {**QUICK, "start": "probe"}))
    assert from_probe.facts["curves"][0]["epochs"][0]["validation_loss"] < first


def test_the_share_with_the_least_held_out_loss_is_taken(ground: Playground) -> None:
    model = ground.train(make("wise-ft", QUICK))
    told = model.facts["mix"]
    losses = {float(share): loss for share, loss in told["log_loss"].items()}
    assert sorted(losses) == pytest.approx(np.linspace(0, 1, 11))
    assert losses[told["share"]] == min(losses.values())
    chosen = model.facts["recipe"]["mix"]
    assert chosen["value"] == told["share"]
    assert "mix" not in ground.train(make("wise-ft", {**QUICK, "mix": 0.5})).facts["recipe"]
