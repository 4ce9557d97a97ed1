"""Fine-tuning learns from one part and stops by another; LP-FT begins at its own probe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keiki.core.errors import DataError, OptionError
from keiki.methods.base import make
from keiki.methods.tuning import learning_part, validation_rows
from keiki.methods.tuning_config import TuningConfig
from keiki.nn.temperature import fit_temperature
from keiki.testing.playground import Playground, playground, small


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground("text", tmp_path_factory.mktemp("ground"))


def test_what_stops_training_is_not_learnt(ground: Playground) -> None:
    learn, stop = validation_rows(ground.view)
    assert sorted([*learn, *stop]) == list(range(len(ground.view)))
    part = learning_part(ground.view, TuningConfig())
    assert not set(part.items.digests) & set(ground.view.items.take(stop).digests)


def test_two_folds_are_enough_for_its_probe(ground: Playground) -> None:
    few = replace(ground.view, folds=ground.view.folds % 2)
    part = learning_part(few, TuningConfig())
    assert len(np.unique(part.folds[0])) > 1
    assert len(part) == len(validation_rows(few)[0])


def test_one_fold_is_refused(ground: Playground) -> None:
    pair = replace(ground.view, folds=ground.view.folds % 2, groups=ground.view.folds[0] % 2)
    with pytest.raises(DataError, match="needs two more"):
        learning_part(pair, TuningConfig())
    with pytest.raises(DataError, match="in one group"):
        validation_rows(replace(ground.view, folds=np.zeros_like(ground.view.folds)))


def test_lp_ft_starts_where_its_probe_ends(ground: Playground) -> None:
    model = ground.train(small("lp-ft"))
    part = learning_part(ground.view, TuningConfig())
    probe = ground.train(make("linear-probe"), view=part)
    assert model.head is not None
    assert probe.head is not None
    np.testing.assert_array_equal(model.head.weight, probe.head.weight)
    _, stop = validation_rows(ground.view)
    logits = probe.logits(ground.view.items.take(stop))
    labels = ground.view.labels[stop]
    scaled = logits / fit_temperature(logits, labels)
    losses = np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(stop)), labels]
    assert model.facts["curves"][0]["epochs"][0]["validation_loss"] == pytest.approx(losses.mean(), rel=1e-4)


def test_only_the_held_back_fold_has_honest_answers(ground: Playground) -> None:
    model = ground.train(small("full-finetune"))
    _, stop = validation_rows(ground.view)
    assert model.out_of_fold is not None
    assert np.flatnonzero(np.isfinite(model.out_of_fold).all(axis=1)).tolist() == stop.tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("head_rate", float("nan")),
        ("weight_decay", -0.1),
        ("warmup_ratio", 1.5),
        ("label_smoothing", -0.1),
        ("clip_norm", float("inf")),
    ],
)
def test_options_without_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"Option '{name}' must be"):
        make("full-finetune", {name: value})
