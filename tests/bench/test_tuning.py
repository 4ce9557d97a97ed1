"""What stands behind the figures of fine-tuning: splits, cells, intervals, kills and damages, without data."""

import argparse
import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from bench import damage, kill, kill_runs, openmoji, packages, steps, tuning, tuning_table
from bench.kill_runs import Running, Way, Work
from bench.tuning import Cell, Clock, Results, Suite
from keiki.methods.base import METHODS
from keiki.training.checkpoint import State


@pytest.mark.parametrize("module", [kill_runs, openmoji, tuning, tuning_table])
def test_doctests(module):
    assert doctest.testmod(module).failed == 0


# Splits.


def entry(hexcode, subgroup="tools", skintone="", group="objects"):
    return {"hexcode": hexcode, "subgroups": subgroup, "skintone": skintone, "group": group}


def test_a_thing_is_a_base_code_point_and_its_first_drawing_is_taken():
    found = openmoji.things(
        [
            entry("1F9D1-200D-1F373", "roles"),  # a cook
            entry("1F468-200D-1F373", "roles"),  # a man cook
            entry("1F469-1F3FB-200D-1F373", "roles", skintone=1),
            entry("1F373"),  # cooking: of another subgroup, so another thing
            entry("E000", group="extras-openmoji"),
        ]
    )
    assert found == {"roles": ["1F9D1-200D-1F373"], "tools": ["1F373"]}


def test_no_thing_stands_on_both_sides_and_all_sizes_are_judged_by_the_same():
    found = {name: [f"{name}{number}" for number in range(count)] for name, count in (("a", 23), ("b", 60))}
    for draw in range(5):
        by_size = {each: openmoji.deal(found, draw, each) for each in (5, 10, 20)}
        for name in found:
            learned, judged = by_size[20][name]
            assert len(learned) == 20
            assert len(judged) == min(len(found[name]) - 20, openmoji.JUDGED)
            assert not set(learned) & set(judged)
            for each, sides in by_size.items():
                assert sides[name] == (learned[:each], judged)
    assert openmoji.deal(found, 0, 5) != openmoji.deal(found, 1, 5)
    with pytest.raises(ValueError, match="at most 20"):
        openmoji.deal(found, 0, 21)


def test_a_style_shift_is_judged_on_the_same_things_in_the_other_style(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "CACHE", tmp_path)
    pool = tmp_path / "data" / f"openmoji-{openmoji.SIZE}"
    for style in openmoji.STYLES:
        for name in ("a", "b"):
            (pool / style / name).mkdir(parents=True)
            for number in range(24):
                (pool / style / name / f"{number:02d}.png").write_text(f"{style} {name} {number}")
    colour, lines = openmoji.folder(0, 5), openmoji.folder(0, 5, judged="black")

    def content(folder, side):
        return {path.relative_to(folder / side): path.read_text() for path in (folder / side).rglob("*.png")}

    assert content(colour, "train") == content(lines, "train")
    assert content(colour, "test").keys() == content(lines, "test").keys()
    assert all(text.startswith("black") for text in content(lines, "test").values())
    assert all(text.startswith("color") for text in content(colour, "test").values())
    assert not content(colour, "train").keys() & content(colour, "test").keys()
    assert (len(content(colour, "train")), len(content(colour, "test"))) == (10, 8)


@pytest.mark.parametrize(("colours", "empty"), [([(255, 255, 255)], True), ([(255, 255, 255), (0, 0, 0)], False)])
def test_an_empty_drawing_is_known(colours, empty, tmp_path):
    picture = Image.new("RGB", (4, 4), colours[0])
    picture.putpixel((1, 1), colours[-1])
    picture.save(tmp_path / "x.png")
    assert openmoji._is_empty((tmp_path / "x.png").read_bytes()) is empty


# Cells.


def test_cells_go_draw_by_draw_and_the_probe_is_always_among_them():
    suite = Suite("boundary", (5, 10), 3, {"linear-probe": {}, "lp-ft": {"freeze": "-6"}, "l2-sp": {}})
    cells = list(suite.cells(["lp-ft"], draws=2))
    assert [(cell.draw, cell.each, cell.method) for cell in cells] == [
        (draw, each, method) for draw in (0, 1) for each in (5, 10) for method in ("linear-probe", "lp-ft")
    ]
    assert cells[1].name == "boundary/lp-ft/5/0"
    assert cells[1].options == {"freeze": "-6"}


def test_every_method_that_moves_pretrained_weights_has_its_rows():
    rows = tuning.suites()["unfrozen"].rows
    moving = {name for name, kind in METHODS.items() if kind.gradient and "transfer" in kind.tags}
    assert {"linear-probe", "full-finetune", "fine-tune"} == set(tuning.suites()["recipe"].rows)
    assert moving <= {*rows, *tuning.UNFROZEN}
    assert {"lp-ft", "full-finetune"} <= moving
    assert next(iter(rows)) == tuning.PROBE
    assert not any("control" in METHODS.get(name).tags for name in rows)


def test_what_is_planned_is_accepted_by_the_methods():
    for suite in tuning.suites().values():
        for method, options in suite.rows.items():
            if method in METHODS.names():
                assert METHODS.get(method).Config.from_json(options)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "code", lambda: "now")
    return Results(tmp_path / "tuning.json")


def facts(accuracy=0.5, code="now", **more):
    known = {"accuracy": accuracy, "log_loss": 1 - accuracy, "seconds": 2.0, "load": 0.1, "code": code}
    return {**known, "commit": "abc", **more}


def test_only_what_is_missing_failed_changed_or_stale_is_measured(results):
    cells = [Cell("boundary", "lp-ft", 5, draw, {"freeze": "-6"}) for draw in range(5)]
    results.put(cells[0], facts())
    results.put(cells[1], {"error": "ValueError: no", "code": "now"})
    results.put(Cell("boundary", "lp-ft", 5, 2, {"freeze": "-2"}), facts())
    results.put(cells[3], facts(code="before"))
    assert results.missing(cells) == [cells[1], cells[2], cells[4]]
    assert results.missing(cells, "now") == cells[1:]


def test_the_clock_stops_before_a_cell_that_would_not_fit():
    cell, other = Cell("boundary", "lp-ft", 5, 0), Cell("boundary", "lp-ft", 5, 1)
    clock = Clock(100.0)
    assert clock.allows(cell)
    clock.took(cell, 1000.0)
    assert not clock.allows(other)
    assert clock.allows(Cell("boundary", "lp-ft", 10, 1))
    assert not Clock(-1.0).allows(cell)


def test_a_cell_that_fails_is_kept_as_such_and_does_not_stop_the_rest(monkeypatch, capsys):
    class Ground:
        def measure(self, cell):
            if cell.method == "bss":
                raise ValueError("no")
            return {"accuracy": 0.5, "log_loss": 1.0, "seconds": 0.1}

    monkeypatch.setattr(tuning, "ground", Ground)
    found = [tuning.measured(Cell("unfrozen", name, 10, 0)) for name in ("bss", "lp-ft")]
    assert found[0]["error"] == "ValueError: no"
    assert found[1]["accuracy"] == 0.5
    assert "Traceback" in capsys.readouterr().err


def test_score_agrees_with_scikit_learn():
    from sklearn.metrics import accuracy_score, log_loss

    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    soft = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum(axis=1, keepdims=True)
    found = tuning.score(logits, labels, 1.7)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, logits.argmax(axis=1)))
    assert found["log_loss"] == pytest.approx(log_loss(labels, soft, labels=range(4)), abs=1e-6)


def test_long_facts_stay_out_of_the_file():
    curve = {"phase": "tune", "epochs": [{"epoch": 0.0}, {"epoch": 4.0}], "ended": "patience", "steps": 12}
    found = tuning.told({"curves": [curve], "moved": ["a"], "depth": 3, "list": list(range(1000))})
    assert found["curves"] == [{"phase": "tune", "epochs": 4.0, "ended": "patience", "steps": 12}]
    assert found["chosen"] == {"depth": 3}


# The table.


def test_the_interval_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(2)
    ours, theirs = rng.normal(1, 1, 10), rng.normal(0, 1, 10)
    found = tuning_table.paired(dict(enumerate(ours)), dict(enumerate(theirs)))
    witness = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((witness.low, witness.high))
    assert found.value == pytest.approx((ours - theirs).mean())


def test_only_draws_that_both_have_are_paired():
    assert tuning_table.paired({0: 1.0, 2: 5.0}, {1: 1.0}) is None
    found = tuning_table.paired({0: 1.0, 2: 5.0}, {2: 1.0})
    assert (found.value, found.low, found.n) == (4.0, None, 1)


def content(cells, rows, suite="boundary", draws=3, sizes=(10,)):
    plan = {suite: {"sizes": list(sizes), "draws": draws, "rows": rows}}
    machine = {"cpu": "x", "cores": 2, "versions": {"torch": "2"}, "data": {"openmoji": "openmoji@17"}}
    named = {f"{suite}/{method}/10/{draw}": {"options": rows[method], **own} for (method, draw), own in cells.items()}
    return {"code": "now", "plan": plan, "machine": machine, "cells": named}


def test_missing_stale_and_failed_cells_are_shown():
    cells = {
        ("linear-probe", 0): facts(0.5),
        ("linear-probe", 1): facts(0.6, code="before"),
        ("lp-ft", 0): facts(0.7),
        ("lp-ft", 1): {"error": "ValueError: no", "code": "now"},
    }
    page = tuning_table.page(content(cells, {"linear-probe": {}, "lp-ft": {"freeze": "-6"}, "l2-sp": {}}))
    assert "3 of 9 cells are measured, 6 are missing (1 have failed)." in page
    assert "1 are stale" in page
    assert "| `linear-probe` |  | 2 (1 missing, 1 stale) | 55.0 % |" in page
    assert "| `lp-ft` | freeze=-6 | 1 (2 missing) | 70.0 % | +20.0 |" in page
    assert "| `l2-sp` |  | 0 (3 missing) | – | – |" in page
    assert "- `lp-ft`, draw 1: ValueError: no" in page


def test_cells_with_other_options_are_not_those_of_the_plan():
    cells = {("linear-probe", 0): facts(0.5)}
    found = content(cells, {"linear-probe": {}})
    found["cells"]["boundary/linear-probe/10/0"]["options"] = {"penalty": 1}
    assert "0 of 3 cells" in tuning_table.page(found)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ([0.60, 0.62, 0.61], "Against `full-finetune`: +1.0 (+1.0 to +1.0) points over 3 draws: **reached**"),
        ([0.50, 0.52, 0.51], "**not reached**"),
        ([0.60, 0.62], "**not yet known, 1 of 3 draws are missing**"),
    ],
)
def test_the_recipe_is_set_against_the_better_of_probe_and_plain_fine_tuning(recipe, told):
    rivals = {"linear-probe": [0.4, 0.5, 0.45], "full-finetune": [0.59, 0.61, 0.60]}
    cells = {
        (name, draw): facts(value)
        for name, values in {**rivals, "fine-tune": recipe}.items()
        for draw, value in enumerate(values)
    }
    rows = {"linear-probe": {}, "full-finetune": {}, "fine-tune": {}}
    assert told in tuning_table.page(content(cells, rows, suite="recipe"))


def test_one_of_two_methods_has_to_win_where_the_style_shifts():
    values = {"linear-probe": 0.3, "full-finetune": 0.4, "lp-ft": 0.41, "wise-ft": 0.43}
    cells = {(n, draw): facts(v, in_color_accuracy=0.8) for n, v in values.items() for draw in range(3)}
    page = tuning_table.page(content(cells, {name: {} for name in values}, suite="style"))
    assert "`wise-ft` +3.0 (+3.0 to +3.0) points: **reached**" in page
    assert "80.0 %" in page


# Kills: a toy that counts to 40 in a file, and goes on from there or does not.

TOY = """
import json, pathlib, sys, time
home, sound = pathlib.Path(sys.argv[1]), sys.argv[2] == "sound"
state = home / "state.txt"
at = int(state.read_text()) if sound and state.exists() else 0
total = at if sound else int(state.exists())
while at < 40:
    time.sleep(0.005)
    at, total = at + 1, total + 1
    new = home / "new.txt"
    new.write_text(str(at))
    new.replace(state)
(home / "result.json").write_text(json.dumps({"total": total}))
"""


def toy(kind):
    def start(work, home, resume):
        command = [sys.executable, "-S", "-c", TOY, str(home), kind]
        process = subprocess.Popen(command, start_new_session=True)
        process.returncode = 0
        return Running(process.pid, home / "said.txt")

    return Way("toy", start, kill_runs.trainer_result, "log.jsonl")


@pytest.mark.parametrize(("kind", "number"), [("sound", 0), ("sound", 2), ("faulty", 2)])
def test_a_run_that_does_not_end_alike_after_a_kill_is_found(kind, number, tmp_path, monkeypatch):
    monkeypatch.setattr(kill, "HOME", tmp_path)
    monkeypatch.setattr(kill, "WAYS", {"trainer": toy(kind)})
    point = kill.measure(number, [Work("toy", "counting")], kill.References())
    assert 0 < point["killed_after"] < point["whole_seconds"] + 1
    assert point["identical"] is (kind == "sound")
    assert point["differs"] == ([] if kind == "sound" else ["total"])


def test_a_process_that_has_ended_was_not_killed(tmp_path):
    process = subprocess.Popen([sys.executable, "-S", "-c", "pass"], start_new_session=True)
    process.returncode = 0
    assert not Running(process.pid, tmp_path / "said.txt").kill_after(30.0)


def test_a_run_that_fails_says_its_last_words(tmp_path):
    said = tmp_path / "said.txt"
    said.write_text("no space left")
    process = subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(3)"], start_new_session=True)
    process.returncode = 0
    with pytest.raises(kill_runs.Failed, match="ended with 3: no space left"):
        Running(process.pid, said).wait()


def test_a_line_that_a_kill_has_cut_is_no_event(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"event": "resumed"}\n{"event": "epo')
    assert [line["event"] for line in kill._events(log)] == ["resumed", "cut line"]


def test_points_are_counted():
    known = {"work": "texts/lora", "way": "cli", "met": "phase tune 1", "resumed": 1, "killed_again_after": 1.0}
    points = [{**known, "identical": True}, {**known, "identical": False, "resumed": 0}, {**known, "error": "no"}]
    found = kill.summary(points)
    assert (found["points"], found["identical"], found["different"], found["failed"]) == (3, 1, 1, 1)
    assert (found["gone_on_from_a_checkpoint"], found["killed_twice"]) == (1, 2)


# Damages.


@pytest.mark.parametrize("number", range(2 * len(damage.DAMAGES)))
def test_no_damaged_checkpoint_is_loaded(number):
    assert damage.once(number)[1] not in damage.BAD


def test_both_may_be_damaged_and_then_none_is_used():
    number = (damage.BOTH - 1) * len(damage.DAMAGES)
    assert damage.once(number)[1] == "none used"


def test_a_store_that_checks_nothing_is_caught(monkeypatch):
    def read(self, folder):
        try:
            content = json.loads((folder / "state.json").read_text())
            arrays = {"x": np.frombuffer((folder / "state.safetensors").read_bytes(), dtype=np.uint8)}
            return State(arrays, content["values"])
        except (OSError, ValueError):
            return None

    monkeypatch.setattr(damage.Checkpoints, "_read", read)
    number = list(damage.DAMAGES).index("values edited")
    assert damage.once(number)[1] == "loaded silently"


# Steps.


def test_pairs_of_steps_are_per_step_and_interleaved(monkeypatch):
    """The clock counts what the fakes say that they take: 10 for theirs, 2 for ours, so five of ours in a pair."""
    now = 0.0

    class Fake:
        def __init__(self, cost):
            self.cost, self.given = cost, []

        def step(self, batch=None):
            nonlocal now
            now += self.cost
            self.given.append(batch)

    monkeypatch.setattr(steps.time, "perf_counter", lambda: now)
    ours, theirs = Fake(2.0), Fake(10.0)
    assert steps._in_turns(4, ours, theirs, ["a", "b"], same=False) == [(2.0, 10.0)] * 4
    assert len(ours.given) == 2 + 1 + 4 * 5
    assert set(ours.given) == {None}
    ours, theirs = Fake(2.0), Fake(10.0)
    assert steps._in_turns(4, ours, theirs, ["a", "b"], same=True) == [(2.0, 10.0)] * 4
    assert set(ours.given) == {"a", "b"}


def test_arguments_name_what_there_is(capsys):
    for bad, told in ((["nowhere"], "no such suite"), (["--only", "nothing"], "no such method")):
        with pytest.raises(SystemExit):
            tuning.arguments(bad)
        assert told in capsys.readouterr().err
    found = tuning.arguments(["boundary", "--only", "lp-ft", "--draws", "2", "--minutes", "0.5"])
    assert isinstance(found, argparse.Namespace)
    assert len(tuning.wanted(found)) == 2 * 3 * 2


def test_the_machine_is_described():
    assert tuning.machine()["cores"] == len(os.sched_getaffinity(0))
    assert Path(tuning.__file__).parent == Path(kill.__file__).parent
