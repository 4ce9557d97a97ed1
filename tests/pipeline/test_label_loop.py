"""Fit, ask what to label, label it, fit again, compare: the whole round on tiny backbones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keiki.cli.main import main
from keiki.pipeline import answers
from keiki.pipeline.compare import compare
from keiki.pipeline.fit import Run

Rows = list[tuple[str, str]]


def label(path: Path, known: dict[str, str], leave: int = 0) -> None:
    """Fill in the column 'label' as a person would, except for the last rows."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row in rows[: len(rows) - leave]:
        row["label"] = known[next(iter(row.values()))]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_fit_keeps_its_answers(texts: Path, quick: Callable[..., Run]) -> None:
    run = quick(texts)
    found = answers.read(run.folder)
    assert len(found) == run.summary["test"]["n"]
    right = found.probabilities.argmax(axis=1) == found.labels
    assert float(np.mean(right)) == run.summary["test"]["accuracy"]["value"]
    assert found.ids is not None
    assert answers.read(quick(texts, "bare", samples=False).folder).ids is None


def test_answers_of_nested_folds_are_kept(texts: Path, quick: Callable[..., Run]) -> None:
    found = answers.read(quick(texts, test=None).folder)
    assert found.protocol == "nested"
    assert len(set(found.positions.tolist())) == 36
    assert found.repeats.max() == 2


@pytest.mark.slow
def test_the_round_of_texts(
    table: Callable[..., Path],
    rows: Rows,
    tmp_path: Path,
    quick: Callable[..., Run],
    capsys: pytest.CaptureFixture[str],
) -> None:
    start, pool, test = rows[0::3], rows[1::3], rows[2::3]
    data, judge = table(start, "start.csv"), table(test, "test.csv")
    heap = table([(text,) for text, _ in [*pool, *start[:2], *test[:3]]], "pool.csv", ("text",))
    first = quick(data, "first", test=str(judge))
    out = tmp_path / "to-label.csv"
    assert main(["suggest", str(first.folder), str(heap), "-n", "6", "--out", str(out), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pool"], found["seen"], found["judged"]) == (17, 2, 3)
    label(out, dict(rows), leave=1)
    second = quick(data, "second", test=str(judge), add=str(out))
    assert second.summary["task"]["train"] == len(start) + 5
    assert any("1 of 6 rows" in note for note in second.summary["notes"])
    compared = compare([first.folder, second.folder])
    assert compared.n == len(test)
    assert {"add", "items trained on"} <= {each.name for each in compared.differences}


@pytest.mark.slow
def test_the_round_of_pictures(
    photos: Path, tmp_path: Path, quick: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    known = {}
    for each in sorted(photos.glob("*/*.png"))[::4]:
        known[f"pool/{each.name}"] = each.parent.name
        each.rename(pool / each.name)
    first = quick(photos, "first")
    out = tmp_path / "to-label.csv"
    assert main(["suggest", str(first.folder), str(pool), "-n", "4", "--out", str(out), "--quiet"]) == 0
    assert f"--test 0.25 --backbone tiny:vision --controls none --add {out}" in capsys.readouterr().out
    label(out, known)
    second = quick(photos, "second", add=str(out))
    assert second.summary["task"]["train"] + second.summary["task"]["test"] == 27 + 4
