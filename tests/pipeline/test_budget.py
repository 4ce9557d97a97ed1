"""Fine-tuning is tried when the time allows, kept when it is beyond doubt, and either way it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keiki.core.errors import RequestError
from keiki.methods.base import make
from keiki.pipeline.fit import Run, resume
from keiki.selection.workshop import Outcome

Fit = Callable[..., Run]


@pytest.fixture(autouse=True)
def _one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_one = {"epochs": 1, "start": "probe"}  # from a probe there is none to fall back on
    monkeypatch.setattr("keiki.selection.budget.make", lambda name: make(name, quick_one))


def told(run: Run) -> str:
    (note,) = [note for note in run.summary["notes"] if "fine-tune" in note]
    return str(note)


def test_without_a_budget_it_is_not_thought_of(texts: Path, quick: Fit) -> None:
    assert not [note for note in quick(texts).summary["notes"] if "fine-tune" in note]


def test_too_little_time_is_said(texts: Path, quick: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiki.selection.budget._seconds_of_one_fit", lambda *_: 20.0)
    note = told(quick(texts, budget="60s"))
    assert note.startswith(
        "fine-tune was not tried: it needs about 484 s, and "
    )  # 2.2 times 20 s for twice 5 folds and the final fit
    assert told(quick(texts, "next", budget="0.001s")) == "fine-tune was not tried: no time is left."


def test_with_time_it_is_tried_and_what_came_of_it_is_said(texts: Path, quick: Fit) -> None:
    note = told(quick(texts, budget="10m"))
    assert note.startswith(("fine-tune was tried and left: its gain of", "fine-tune was kept: it gains"))


def test_a_gain_beyond_doubt_makes_it_a_candidate(texts: Path, quick: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiki.selection.budget.gain_lower_bound", lambda *_: 0.1)
    done = quick(texts, budget="10m", controls="quick")
    assert told(done).startswith("fine-tune was kept")
    assert {row["name"] for row in done.summary["candidates"]} >= {done.summary["method"]}
    assert "fine-tuning by recipe: tune" in [curve.phase for curve in done.report.training]
    assert done.report.transfer is not None
    assert [row.role for row in done.report.transfer.rows].count("winner") == 1


def test_what_falls_back_on_the_probe_is_no_candidate(texts: Path, quick: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiki.selection.budget.gain_lower_bound", lambda *_: 0.1)
    hopeless = {"epochs": 1, "learning_rate": 1e-12, "head_rate": 1e-12}
    monkeypatch.setattr("keiki.selection.budget.make", lambda name: make(name, hopeless))
    done = quick(texts, budget="10m")
    assert told(done) == "fine-tune was tried and left: trained on all items, it fell back on the probe."
    assert done.summary["method"] != "fine-tune"


def test_nested_folds_may_decide_differently_from_the_final_fit(
    rows: list[tuple[str, str]], table: Callable[..., Path], quick: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    def kept_once(shop: Any, view: Any, test: Any, probe: Outcome, budget: Any) -> tuple[Outcome | None, str]:
        asked.append(None)
        kept = replace(probe, method=make("fine-tune"), out_of_fold=3 * probe.out_of_fold) if len(asked) == 1 else None
        return kept, "fine-tune was kept." if kept else "fine-tune was left."

    monkeypatch.setattr("keiki.selection.select.try_tuning", kept_once)
    monkeypatch.setattr("keiki.data.split.REPEATED_BELOW", 0)
    done = quick(table(rows), test=None, budget="10m", controls="quick")
    assert len(asked) == 6  # five outer folds, and the final selection
    assert told(done) == "fine-tune was left."
    assert done.report.transfer is not None
    assert "fine-tune" not in [row.method for row in done.report.transfer.rows]


def test_few_items_cannot_judge_it(rows: list[tuple[str, str]], table: Callable[..., Path], quick: Fit) -> None:
    note = told(quick(table(rows[::4]), budget="10m", test=0.4))
    assert note == "fine-tune was not tried: fewer than 10 independent training items cannot judge it."


def test_what_the_clock_decided_stays_decided(texts: Path, quick: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(event: dict[str, Any]) -> None:
        if event == {**event, "event": "stage", "name": "bundle"}:
            raise RuntimeError

    monkeypatch.setattr("keiki.selection.budget._seconds_of_one_fit", lambda *_: 1e6)
    with pytest.raises(RuntimeError):
        quick(texts, budget="60s", listeners=(cut,))
    monkeypatch.setattr("keiki.selection.budget._seconds_of_one_fit", lambda *_: 0.0)
    assert told(resume("run")).startswith("fine-tune was not tried: it needs about 24200000 s")


def test_a_budget_or_device_for_what_does_not_train_is_refused(texts: Path, quick: Fit) -> None:
    with pytest.raises(RequestError, match="'linear-probe' does not train step by step"):
        quick(texts, budget="60s", method="linear-probe")
    with pytest.raises(RequestError, match="finds none here|does not train step by step"):
        quick(texts, device="cuda", method="linear-probe")


def test_a_budget_ends_a_method_that_was_asked_for(texts: Path, quick: Fit) -> None:
    run = quick(texts, budget="1s", method="lp-ft", options={"epochs": 50})
    assert run.summary["training"]["stopped"] == "budget"
    assert run.summary["training"]["steps"] == 1
