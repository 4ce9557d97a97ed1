"""What a run says of fine-tuning: the block in run.json, the part of the report, and the probe beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from keiki.evaluation.report.reading import from_json
from keiki.methods.base import make
from keiki.pipeline import trained
from keiki.pipeline.fit import Run
from keiki.selection.workshop import Outcome

Fit = Callable[..., Run]
FEW = ["epochs=2", "batch_size=8"]


def outcome(name: str, **facts: Any) -> Outcome:
    return Outcome(make(name), np.zeros((0, 3)), np.zeros((0, 3)), facts, 51, 12.5, 0.0)


def final(winner: Outcome, transfer: Outcome | None = None) -> Any:
    other = transfer or winner
    return SimpleNamespace(
        winner=winner.method.name,
        transfer=other.method.name,
        outcomes={each.method.name: each for each in (winner, other)},
    )


SHOP: Any = SimpleNamespace(seconds={"lp-ft": 60.0})
CURVES = [
    {"phase": "head", "epochs": [{"epoch": 0.0, "validation_loss": 1.0}, {"epoch": 1.0, "train_loss": 0.9}],
     "ended": "epochs", "steps": 4, "seconds": 1.5, "pace": {"precision": "bf16"}},
    {"phase": "tune", "epochs": [{"epoch": 0.0, "validation_loss": 0.8}, {"epoch": 1.0, "train_loss": 0.5},
                                 {"epoch": 1.5, "train_loss": 0.4}],
     "ended": "time", "steps": 6, "seconds": 2.5, "pace": {"precision": "fp32", "threads": 2}},
]  # fmt: skip


def test_the_block_adds_up_the_descents_and_tells_how_the_last_one_ended() -> None:
    found = trained.block(final(outcome("lp-ft", curves=CURVES, trainable=0.35)), SHOP)["training"]
    assert found == {
        "method": "lp-ft",
        "seconds": 12.5,
        "seconds_of_steps": 4.0,
        "steps": 10,
        "epochs": 3,
        "stopped": "budget",
        "pace": {"precision": "fp32", "threads": 2},
        "seconds_in_all": 60.0,
        "trained_parameters": 51,
        "trainable_share": 0.35,
    }


def test_what_was_trained_once_more_on_all_items_is_counted_apart() -> None:
    again = {**CURVES[1], "phase": "tune, all items", "again": True, "ended": "epochs"}
    found = trained.block(final(outcome("lp-ft", curves=[*CURVES, again])), SHOP)["training"]
    assert (found["epochs"], found["steps"], found["again"]) == (3, 10, {"epochs": 2, "steps": 6})
    assert found["seconds_of_steps"] == 6.5


def told(*kept: float, phase: str = "tune", ended: str = "epochs") -> dict[str, Any]:
    lines = [{"epoch": float(e), **({"kept": 1.0} if e in kept else {})} for e in range(3)]
    return {"phase": phase, "epochs": lines, "ended": ended, "steps": 7, "seconds": 1.0}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"curves": [told(0, 2)]}, []),
        ({"curves": [told(0)]}, ["has brought nothing"]),
        ({"curves": [told(0, 1), {**told(), "again": True}]}, []),
        ({"curves": [told(0), {**told(2), "again": True}]}, ["has brought nothing"]),
        ({"curves": [told(0, 1)], "preferred": "probe"}, ["has brought nothing"]),
        ({"curves": [told(0, 1, phase="tune first"), told(0, phase="tune last")], "ships": "tune first"}, []),
        ({"curves": [told(0, 1, ended="time")]}, ["cut short by --budget, after 7 steps"]),
        ({"curves": []}, []),
    ],
)
def test_training_that_brought_nothing_or_was_cut_is_a_caution(facts: dict[str, Any], words: list[str]) -> None:
    found = trained.cautions(final(outcome("lp-ft", **facts)))
    assert len(found) == len(words)
    assert all(word in each["what"] for word, each in zip(words, found, strict=True))
    assert trained.cautions(final(outcome("linear-probe"), outcome("lp-ft", **facts))) == []


def test_what_is_not_known_is_left_out_and_what_is_known_stands_as_it_is() -> None:
    facts = {
        "frozen": {"tensors": 3, "parameters": 9, "digest_before": "a", "digest_after": "a"},
        "movement": {"stages": [{"name": "stem"}]},
        "recipe": {"epochs": {"value": 8, "why": "few items"}},
        "boundary": {"stage": "blocks.11"},
    }
    found = trained.block(final(outcome("full-finetune", **facts)), SHOP)["training"]
    assert set(found) == {"method", "seconds", "epochs", "trained_parameters", "frozen", "stages", "recipe", "boundary"}
    assert found["stages"] == [{"name": "stem"}]
    assert found["recipe"] == facts["recipe"]


def test_methods_without_gradients_and_controls_have_no_block() -> None:
    assert trained.block(final(outcome("linear-probe")), SHOP) == {}
    assert trained.block(final(outcome("tfidf-logistic"), outcome("linear-probe")), SHOP) == {}
    assert trained.block(final(outcome("from-scratch"), outcome("linear-probe")), SHOP) == {}


def test_a_method_that_lost_to_a_control_is_told_of_all_the_same() -> None:
    found = trained.block(final(outcome("tfidf-logistic"), outcome("lp-ft")), SHOP)
    assert found["training"]["method"] == "lp-ft"


def calibrated(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log losses at the best temperature, by SciPy; one error is thought to be unseen yet, as in `fit_temperature`."""
    n, n_classes = logits.shape
    error = 1 / (n + 2)
    targets = np.where(np.eye(n_classes)[labels] > 0, 1 - error, error / (n_classes - 1))

    def log_shares(log_t: float) -> np.ndarray:
        scaled = logits / np.exp(log_t)
        return scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)

    def loss(log_t: float) -> float:
        return -float((targets * log_shares(log_t)).sum())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    return -log_shares(best.x)[np.arange(n), labels]


def test_the_gain_is_the_paired_mean_over_groups_that_neither_learned_from() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    right = np.eye(3)[labels]
    probe, network = 2 * right + rng.normal(size=(60, 3)), 6 * right + 3 * rng.normal(size=(60, 3))
    network[:20] = np.nan  # it has answers for two thirds only
    groups = np.arange(60) // 2
    found = trained.gain(probe, network, _view(labels, groups))
    assert found is not None
    gains = calibrated(probe[20:], labels[20:]) - calibrated(network[20:], labels[20:])
    assert found.n == 40
    assert found.value == pytest.approx(gains.mean(), abs=1e-5)
    sums = (gains - gains.mean()).reshape(20, 2).sum(axis=1)
    error = np.sqrt(20 / 19 * (sums**2).sum()) / 40
    assert (found.low, found.high) == pytest.approx(
        (gains.mean() - 1.959964 * error, gains.mean() + 1.959964 * error), abs=1e-5
    )
    assert trained.gain(probe, network, _view(labels, np.zeros(60))) is None


def _view(labels: np.ndarray, groups: np.ndarray) -> Any:
    return SimpleNamespace(labels=labels, groups=groups)


@pytest.mark.slow
def test_a_tuned_run_tells_what_moved(photos: Path, quick: Fit) -> None:
    run = quick(photos, method="lp-ft", options=[*FEW, "freeze=stem", "refit=no"])
    found = run.summary["training"]
    assert found["method"] == run.summary["method"] == "lp-ft"
    assert found["trainable_share"] == run.summary["trainable_share"]
    assert found["epochs"] == 2
    assert 0 < found["seconds_of_steps"] < found["seconds"]
    assert found["frozen"]["digest_before"] == found["frozen"]["digest_after"]
    moved = from_json(json.loads((run.folder / "report.json").read_text())).moved
    assert moved is not None
    assert [piece.still for piece in moved.pieces] == [True, False, False]
    assert moved.pieces[0].relative == 0
    assert moved.shipped
    assert moved.probe is not None
    assert moved.probe.flattered
    assert moved.probe.n == pytest.approx(run.summary["task"]["train"] / 5, abs=2)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "The last 2 of 3 parts were free to move" in page
    assert "before and after: equal" in page


@pytest.mark.parametrize(("balance", "told"), [("none", False), ("weights", True)])
def test_it_says_how_a_balanced_network_was_chosen(balance: str, told: bool, texts: Path, quick: Fit) -> None:
    run = quick(texts, method="full-finetune", options=[*FEW, "refit=no", f"balance={balance}"])
    notes = [note for note in run.summary["notes"] if "full-finetune was trained to answer classes" in note]
    assert bool(notes) == told


def test_a_probe_has_no_training_to_tell_of(texts: Path, quick: Fit) -> None:
    run = quick(texts)
    assert "training" not in run.summary
    assert run.report.moved is None


@pytest.mark.slow
def test_what_kept_beside_the_probe_is_judged_on_all_items(
    texts: Path, quick: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keiki.selection.budget.make", lambda name: make(name, {"epochs": 1, "start": "probe"}))
    monkeypatch.setattr("keiki.selection.budget.gain_lower_bound", lambda *_: 0.1)
    monkeypatch.setattr("keiki.selection.budget.REPEATS", 1)
    monkeypatch.setattr("keiki.selection.select._choose", _the_tuned_one)
    run = quick(texts, budget="10m")
    moved = run.report.moved
    assert moved is not None
    assert moved.probe is not None
    assert not moved.probe.flattered
    assert moved.probe.n == run.summary["task"]["train"]
    assert moved.in_all is not None
    assert moved.in_all > moved.seconds  # others judged it


def _the_tuned_one(outcomes: dict[str, Outcome], *_: Any) -> Any:
    from keiki.selection.select import _Choice

    return _Choice("fine-tune" if "fine-tune" in outcomes else next(iter(outcomes)), "", [])


def test_the_same_answers_gain_nothing_however_few_the_network_was_asked_for() -> None:
    """A temperature from fewer items would be more careful; that must not count against the network."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 90)
    answers = 5 * np.eye(3)[labels] + rng.normal(size=(90, 3))
    few = np.where(np.arange(90)[:, None] < 18, answers, np.nan)
    found = trained.gain(answers, few, _view(labels, np.arange(90)))
    assert found == trained.Gain(0.0, 0.0, 0.0, 18)


@pytest.mark.slow
def test_a_network_that_is_its_probe_gains_nothing_on_it(texts: Path, quick: Fit) -> None:
    """At a rate near zero nothing moves: the probe beside it has seen the same items, and says the same."""
    run = quick(texts, method="lp-ft", options=[*FEW, "learning_rate=1e-12", "head_rate=1e-12"])
    assert run.report.moved is not None
    assert run.report.moved.probe is not None
    between = run.report.moved.probe.gain
    assert between is not None
    assert (between.low, between.value, between.high) == pytest.approx((0, 0, 0), abs=1e-4)
