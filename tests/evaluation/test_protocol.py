"""The test block: complete, plain JSON, honest where items are few, and the same for the same seed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from keiki.core.errors import DataError
from keiki.evaluation.intervals import wilson
from keiki.evaluation.protocol import STANDARD, estimates, evaluate
from keiki.metrics.base import METRICS


def items(n: int, n_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    powers = np.exp(rng.normal(size=(n, n_classes)) + 2 * np.eye(n_classes)[labels])
    return labels, powers / powers.sum(axis=1, keepdims=True)


def block(n: int, **options: Any) -> dict[str, Any]:
    labels, p = items(n)
    return evaluate(labels, p, list("abcd"), rng=np.random.default_rng(0), resamples=400, **options)


def test_the_block_is_plain_json_with_every_standard_metric() -> None:
    found = block(240)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    labels, p = items(240)
    for name in STANDARD:
        assert found[name]["value"] == pytest.approx(METRICS.get(name).value(labels, p))
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert found["n"] == sum(map(sum, found["confusion"])) == sum(each["n"] for each in found["reliability"]) == 240
    assert [each["class"] for each in found["per_class"]] == list("abcd")


def test_the_same_seed_gives_the_same_block() -> None:
    assert block(60) == block(60)


def test_calibration_error_is_left_out_below_200_items() -> None:
    assert "ece" not in block(199)
    assert "ece" in block(200)


def test_accuracy_is_wilsons_interval_and_a_chosen_metric_is_added() -> None:
    labels, p = items(80)
    found = block(80, metrics=[METRICS.get("recall").bind(2)])
    assert found["accuracy"] == wilson(float((p.argmax(axis=1) == labels).sum()), 80).to_json()
    assert found["recall"]["value"] == found["per_class"][2]["recall"]["value"]


def test_a_perfect_answer_is_not_a_certain_one() -> None:
    labels = np.arange(30) % 3
    found = evaluate(labels, np.eye(3)[labels], list("abc"), rng=np.random.default_rng(0))
    for name in ("accuracy", "macro_f1", "roc_auc"):
        assert found[name] == wilson(30, 30).to_json()
    joined = np.sqrt(3) / 3 * (1 - wilson(10, 10).low)  # each class has ten items only
    assert found["balanced_accuracy"] == {"value": 1.0, "low": pytest.approx(1 - joined), "high": 1.0}
    groups = np.arange(30) // 5
    grouped = evaluate(labels, np.eye(3)[labels], list("abc"), rng=np.random.default_rng(0), groups=groups)
    assert grouped["accuracy"] == wilson(6, 6).to_json()


def test_copies_of_an_item_in_one_group_do_not_make_it_surer() -> None:
    labels, p = items(60)
    once = evaluate(labels, p, list("abcd"), rng=np.random.default_rng(0))
    copies = evaluate(
        np.repeat(labels, 6),
        np.repeat(p, 6, axis=0),
        list("abcd"),
        rng=np.random.default_rng(0),
        groups=np.repeat(np.arange(60), 6),
    )
    assert copies["groups"] == 60
    for name in ("accuracy", "macro_f1", "log_loss"):
        assert copies[name]["value"] == pytest.approx(once[name]["value"])
        width, copied = (each[name]["high"] - each[name]["low"] for each in (once, copies))
        assert copied == pytest.approx(width, rel=0.15)
    alone, repeated = (each["per_class"][0]["recall"] for each in (once, copies))
    assert repeated["low"] < alone["low"] < alone["high"] < repeated["high"]  # by t, and by no more
    assert repeated["high"] - repeated["low"] == pytest.approx(alone["high"] - alone["low"], rel=0.15)


def test_groups_of_one_item_are_no_groups() -> None:
    assert block(60, groups=np.arange(60)) == block(60)


def test_few_groups_are_said_and_one_group_says_nothing() -> None:
    found = block(60, groups=np.zeros(60, dtype=int))
    assert "only 1 independent" in found["notes"][0]
    assert (found["accuracy"]["low"], found["accuracy"]["high"]) == pytest.approx((0.0, 1.0), abs=0.01)
    assert found["log_loss"]["high"] == pytest.approx(36.04, abs=0.01)


def test_what_has_no_value_is_null_with_its_reason() -> None:
    p = np.tile([0.7, 0.3], (12, 1))
    found = evaluate(np.zeros(12, dtype=int), p, ["cat", "dog"], rng=np.random.default_rng(0))
    assert found["roc_auc"] is None
    assert "two classes" in found["undefined"]["roc_auc"]
    dog = found["per_class"][1]
    assert (dog["support"], dog["recall"], dog["precision"], dog["f1"]) == (0, None, None, None)
    json.dumps(found, allow_nan=False)


def test_per_class_f1_lies_in_its_interval_and_agrees_with_the_metric() -> None:
    labels, p = items(80)
    for k, each in enumerate(block(80)["per_class"]):
        assert each["f1"]["value"] == pytest.approx(METRICS.get("f1").bind(k).value(labels, p))
        assert each["f1"]["low"] < each["f1"]["value"] < each["f1"]["high"]


def test_names_that_do_not_fit_are_refused() -> None:
    labels, p = items(8)
    with pytest.raises(DataError, match="class names"):
        evaluate(labels, p, ["a"], rng=np.random.default_rng(0))


def test_macro_f1_covers_its_true_value() -> None:
    metric, inside = METRICS.get("macro_f1"), 0
    truth = metric.value(*items(100_000, seed=1))
    for seed in range(150):
        labels, p = items(80, seed=seed + 2)
        found = estimates([metric], labels, p, rng=np.random.default_rng(seed), resamples=300)["macro_f1"]
        inside += found.low <= truth <= found.high
    assert 0.89 <= inside / 150 <= 0.99  # two standard errors of 150 trials: 3.6 points
