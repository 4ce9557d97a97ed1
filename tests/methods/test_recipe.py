"""The recipe fills in what is 'auto', says why, and touches nothing that was set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiki.core.options import rows
from keiki.methods.base import METHODS, make
from keiki.methods.fine_tune import FineTune
from keiki.methods.freezing import first_moving
from keiki.methods.recipe import Size, settle

SIZES = [(5, 2), (40, 20), (300, 16), (2000, 10), (60_000, 10)]


@pytest.mark.parametrize(("items", "classes"), SIZES)
@pytest.mark.parametrize("modality", ["image", "text"])
def test_every_number_lies_in_its_range_and_has_a_reason(items: int, classes: int, modality: str) -> None:
    size = Size(items, classes, modality, 18)  # type: ignore[arg-type]
    settled, told = settle(FineTune.Config(), size)
    names = {row.name: row for row in rows(FineTune.Config)}
    assert {"epochs", "learning_rate", "head_rate", "batch_size", "freeze"} <= told.keys()
    for name, found in told.items():
        assert getattr(settled, name) == found["value"] != "auto"
        assert found["why"]
        search = names[name].search
        assert search is None or search.contains(found["value"]), name
    first_moving(settled.freeze, [str(i) for i in range(18)])


@pytest.mark.parametrize(
    "own", [{"epochs": 3}, {"learning_rate": 0.01}, {"head_rate": 0.5}, {"batch_size": 7}, {"freeze": "none"}]
)
def test_what_was_set_stays_and_is_not_told_as_the_recipes(own: dict[str, object]) -> None:
    settled, told = settle(FineTune.Config(**own), Size(300, 16, "image", 18))
    for name, value in own.items():
        assert getattr(settled, name) == value
        assert name not in told


def test_texts_move_more_slowly_than_pictures() -> None:
    picture, text = (settle(FineTune.Config(), Size(300, 16, each, 18))[0] for each in ("image", "text"))
    assert float(text.learning_rate) < float(picture.learning_rate)


@pytest.mark.parametrize(("spread", "rate"), [(250.0, 1e-3), (12.5, 2e-2), (1e-3, 1e-1), (1e9, 1e-5), (0.0, 1e-3)])
def test_the_rate_of_the_head_follows_how_large_the_features_are(spread: float, rate: float) -> None:
    settled, told = settle(FineTune.Config(), Size(300, 16, "image", 18, spread))
    assert settled.head_rate == pytest.approx(rate)
    assert told["head_rate"]["why"]
    bent, _ = settle(FineTune.Config(head="cosine"), Size(300, 16, "image", 18, spread))
    assert bent.head_rate == 1e-3


@pytest.mark.parametrize("name", ["gradual-unfreezing", "lp-ft", "fine-tune"])
def test_a_stall_that_wakes_stages_comes_long_before_the_end(name: str) -> None:
    config = make(name, {"unfreeze": "stall"}).config
    assert settle(config, Size(300, 16, "image", 18))[0].patience == 3
    assert settle(replace(config, unfreeze="epoch"), Size(300, 16, "image", 18))[0].patience > 3
    assert settle(replace(config, patience=2), Size(300, 16, "image", 18))[0].patience == 2


def test_smoothed_labels_and_a_focal_loss_do_not_meet() -> None:
    size = Size(300, 16, "image", 18)
    assert settle(FineTune.Config(), size)[0].label_smoothing == 0.1
    assert settle(FineTune.Config(focal_gamma=2.0), size)[0].label_smoothing == 0.0
    assert settle(FineTune.Config(label_smoothing=0.0), size)[0].label_smoothing == 0.0


def test_more_items_a_class_open_more_stages() -> None:
    stages = [str(i) for i in range(18)]
    depths = [
        first_moving(settle(FineTune.Config(), Size(n, 10, "image", 18))[0].freeze, stages) for n in (50, 1000, 60_000)
    ]
    assert depths == sorted(depths, reverse=True)
    assert depths[-1] == 0


NAMES = (
    "batch_size",
    "epochs",
    "patience",
    "learning_rate",
    "head_rate",
    "freeze",
    "label_smoothing",
)  # that the rule sets


def test_without_auto_nothing_is_changed() -> None:
    for _, kind in METHODS.items():
        config = kind.Config()
        if hasattr(config, "epochs") and kind is not FineTune:
            settled, told = settle(config, Size(300, 16, "image", 18))
            auto = {name for name, value in config.to_json().items() if value == "auto"} & set(NAMES)
            assert replace(settled, **dict.fromkeys(auto, "auto")) == config
            assert told.keys() == auto
            assert settle(replace(config, epochs="auto"), Size(300, 16, "image", 18))[1].keys() == {"epochs"} | auto
