"""Every model that can ship has a yardstick for unfamiliar items, or says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keiki.backbones.cache import Cache
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.split import make_task
from keiki.engines.plan import make_plan
from keiki.methods.base import Model
from keiki.pipeline.deliver import take_apart
from keiki.pipeline.familiar import Familiar, measured
from keiki.selection.workshop import Workshop
from keiki.testing.playground import Playground
from keiki.testing.tiny import easy_dataset, tiny_backbone


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    """60 texts, of which 45 are for training."""
    folder = tmp_path_factory.mktemp("texts")
    task = make_task(easy_dataset("text", folder, n_each=24), seed=0)
    return Playground(task, tiny_backbone("text"), Cache(folder / "cache"), make_plan(threads=1), folder)


def look(ground: Playground, model: Model) -> Familiar:
    shop = Workshop(ground.backbone, ground.cache, ground.bank(), ground.plan, Randomness(0), Record())
    return measured(model, ground.view, take_apart(model, shop).graph, 1)


def test_frozen_features_are_measured_by_all_training_items(ground: Playground) -> None:
    found = look(ground, ground.trained("linear-probe"))
    assert found.yardstick is not None
    assert found.yardstick.n == len(ground.view)
    assert found.yardstick.expected == pytest.approx(1 / (len(ground.view) + 1))
    distances = found.distances(ground.test)
    assert distances is not None
    assert (distances > found.yardstick.threshold).mean() < 0.2


def test_a_tuned_network_is_measured_by_what_stopped_it(ground: Playground) -> None:
    model = ground.trained("full-finetune")
    found = look(ground, model)
    assert found.yardstick is not None
    assert model.out_of_fold is not None
    assert found.yardstick.n == np.isfinite(model.out_of_fold).all(axis=1).sum() < len(ground.view)
    import torch

    with torch.inference_mode():
        batch = next(
            iter(model.feed(ground.test, np.zeros(len(ground.test), int), 64, shuffle=False).batches(0, Randomness(0)))
        )
        inputs = {name: torch.from_numpy(np.array(array)) for name, array in batch.inputs.items()}
        body = model.network.eval().body(**inputs).numpy()
    np.testing.assert_allclose(found.features(ground.test)[batch.positions], body, atol=1e-5)


def test_counts_of_words_have_none(ground: Playground) -> None:
    found = look(ground, ground.trained("tfidf-logistic"))
    assert found.yardstick is None
    assert "counts of words" in found.why_not
    assert found.distances(ground.test) is None


@pytest.mark.parametrize("name", ["linear-probe", "full-finetune"])
def test_few_items_have_none(ground: Playground, name: str) -> None:
    model = ground.trained(name)
    few = replace(ground.view, groups=np.zeros(len(ground.view), dtype=np.int64))
    shop = Workshop(ground.backbone, ground.cache, ground.bank(), ground.plan, Randomness(0), Record())
    found = measured(model, few, take_apart(model, shop).graph, 1)
    assert found.yardstick is None
    assert "too few" in found.why_not


def test_test_items_and_their_labels_change_nothing(ground: Playground, tmp_path: Path) -> None:
    labels = ground.task.labels.copy()
    labels[ground.task.test] = labels[ground.task.test][::-1]
    other = replace(ground, task=replace(ground.task, labels=labels), finished={})
    first, second = (look(each, each.trained("linear-probe")).yardstick for each in (ground, other))
    assert first is not None
    assert second is not None
    assert first.threshold == second.threshold
