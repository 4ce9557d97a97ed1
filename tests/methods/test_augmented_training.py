"""Training on variants: the same seed gives the same bits, and each part of the augmentation is really fed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keiki.core.random import Randomness
from keiki.data.feeds import Feed
from keiki.data.task import Modality, TrainView
from keiki.methods.augmenting import augmenting
from keiki.methods.base import Descend, Group, Method, Model, Move, Phase
from keiki.methods.tuning import Tuning
from keiki.methods.tuning_config import TuningConfig
from keiki.testing.playground import Playground, playground, same, weights_of


def feed_of(model: Model, view: TrainView, config: TuningConfig, weights: Any = None) -> Feed:
    transform = model.backbone.transforms()[model.transform_name]
    parts = augmenting(config, transform, view.items.modality, view.target.classes, len(view))
    return model.feed(view.items, view.labels, 8, augment=parts.augment, mixing=parts.mixing, weights=weights)


class Varied(Tuning):
    """Two epochs on variants."""

    name = "varied"

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        from keiki.nn.network import task_loss

        feed = feed_of(model, view, self.config, np.arange(1, len(view) + 1))
        group = Group(list(model.network.parameters()), 1e-2)
        yield Descend("tune", moves=[Move(task_loss(model.network), [group])], epochs=2, feed=feed)


@pytest.fixture(params=["image", "text"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Playground:
    modality: Modality = request.param
    return playground(modality, tmp_path)


def wishes(ground: Playground) -> TuningConfig:
    if ground.task.modality == "image":
        return TuningConfig(augment="medium", mixup=0.3, cutmix=1.0)
    return TuningConfig(augment="strong")


def test_the_same_seed_gives_the_same_bits(ground: Playground) -> None:
    def trained(config: TuningConfig, seed: int = 0) -> dict[str, np.ndarray]:
        method: Method = Varied(config)
        return weights_of(ground.train(method, seed=seed))

    first = trained(wishes(ground))
    assert same(first, trained(wishes(ground)))
    assert not same(first, trained(wishes(ground), seed=1))
    assert not same(first, trained(TuningConfig()))


def test_a_feed_of_a_model_begins_anywhere_with_the_same_bits(ground: Playground) -> None:
    model = ground.build(Varied())
    whole = list(feed_of(model, ground.view, wishes(ground)).batches(1, Randomness(0)))
    late = list(feed_of(model, ground.view, wishes(ground)).batches(1, Randomness(0), start=2))
    assert len(late) == len(whole) - 2
    for one, other in zip(whole[2:], late, strict=True):
        for name, array in one.inputs.items():
            np.testing.assert_array_equal(array, other.inputs[name])
        np.testing.assert_array_equal(one.positions, other.positions)
        if ground.task.modality == "image":
            np.testing.assert_array_equal(one.partners, other.partners)  # type: ignore[arg-type]
            np.testing.assert_array_equal(one.shares, other.shares)  # type: ignore[arg-type]


def test_inputs_have_the_shapes_of_plain_ones(ground: Playground) -> None:
    model = ground.build(Varied())
    varied = next(iter(feed_of(model, ground.view, wishes(ground)).batches(0, Randomness(0))))
    plain = next(iter(feed_of(model, ground.view, TuningConfig()).batches(0, Randomness(0))))
    assert varied.inputs.keys() == plain.inputs.keys()
    for name, array in varied.inputs.items():
        assert array.dtype == plain.inputs[name].dtype
        assert array.ndim == plain.inputs[name].ndim
