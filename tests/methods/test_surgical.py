"""Surgical tuning says of what ships what has moved in it, not of what was tried and put back."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.methods.surgical import PARTS, Part, thirds
from keiki.testing.playground import Playground, playground, small


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("image", tmp_path_factory.mktemp("ground"))


@pytest.mark.parametrize("best", PARTS)
def test_what_has_moved_is_the_part_that_was_kept_and_the_head(
    ground: Playground, best: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([np.array([0.1 if part == best else 0.9]) for part in PARTS])
    monkeypatch.setattr("keiki.methods.surgical.held_losses", lambda *_: next(losses))
    model = ground.train(small("surgical"))
    assert model.facts["part"] == best
    chosen = model.facts["recipe"]["part"]
    assert chosen["value"] == best
    assert f"{best} 0.100" in chosen["why"]
    third = thirds([list(parameters) for _, parameters in model.parts()])[best]
    sizes = {name: parameter.numel() for name, parameter in model.network.named_parameters()}
    wanted = {f"body.{name}" for name in third} | {name for name in sizes if name.startswith("head.")}
    assert set(model.facts["moved"]) == wanted
    count = sum(sizes[name] for name in wanted)
    assert model.trained_parameters() == count
    assert model.facts["trainable"] == pytest.approx(count / sum(sizes.values()))
    frozen = model.facts["frozen"]
    assert frozen["digest_before"] == frozen["digest_after"]
    assert frozen["parameters"] == sum(sizes.values()) - count
    source = model.source.state_dict()
    for name, parameter in model.network.body.named_parameters():
        if f"body.{name}" not in wanted:
            assert bool((parameter == source[name]).all())
    told = {line["name"]: line["moving"] for line in model.facts["movement"]["stages"]}
    assert sum(told.values()) == count


def test_one_part_alone_says_the_same(ground: Playground) -> None:
    model = ground.train(small("surgical", part="first"))
    third = thirds([list(parameters) for _, parameters in model.parts()])["first"]
    assert {name for name in model.facts["moved"] if name.startswith("body.")} == {f"body.{name}" for name in third}
