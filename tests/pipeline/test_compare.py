"""Runs side by side: matched by content and label, refused where they were judged on other things."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from keiki.cli.main import main
from keiki.core.errors import BundleError, KeikiError, RequestError
from keiki.core.files import write_json
from keiki.core.random import Randomness
from keiki.data.task import Items, Target, Task
from keiki.evaluation.intervals import mcnemar_exact, tango
from keiki.evaluation.verdict import paired_difference
from keiki.metrics.base import METRICS
from keiki.pipeline import answers
from keiki.pipeline.compare import compare
from keiki.pipeline.estimate import SHIPPED, Estimate

CLASSES = ("cat", "dog", "owl")
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a run folder whose answers are right on the given items; everything may be overruled."""

    def made(
        name: str,
        right: Sequence[int],
        *,
        items: Sequence[int] = range(40),
        classes: Sequence[str] = CLASSES,
        labels: Sequence[int] | None = None,
        groups: Sequence[int] | None = None,
        repeats: int = 0,
        samples: bool = True,
        **summary: Any,
    ) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        ids, at = list(items), np.arange(len(items))
        truth = labels if labels is not None else [i % 3 for i in ids]
        names = [CLASSES[c] if CLASSES[c] in classes else classes[c] for c in truth]
        files = tuple(f"{i}.png" for i in ids)
        task = Task(
            name="animals",
            items=Items("image", files, tuple(Path(each) for each in files), tuple(f"{i:064x}" for i in ids)),
            target=Target(tuple(classes)),
            labels=np.array([list(classes).index(each) for each in names], dtype=np.int64),
            groups=np.array(ids if groups is None else groups, dtype=np.int64),
            train=at,
            val=at[:0],
            test=at[:0] if repeats else at,
            protocol="nested" if repeats else "given",
            outer=np.zeros((repeats, len(ids)), dtype=np.int64),
            random=Randomness(0),
        )
        rows = np.tile(at, max(1, repeats))
        decided = np.where(np.isin(ids, right), task.labels, (task.labels + 1) % len(classes))[rows]
        shares = np.full((len(rows), len(classes)), 0.05) + np.eye(len(classes))[decided] * (1 - 0.05 * len(classes))
        estimate = Estimate(rows, task.labels[rows], task.groups[rows], {SHIPPED: shares}, cast(Any, None), ())
        answers.write(folder, task, estimate, samples=samples)
        facts = {
            "run": name,
            "task": {"modality": "image", "train": 100},
            "metric": "accuracy",
            "method": "linear-probe",
            "backbone": "tiny",
            "options": {"penalty": 0.1},
            "config": {"data": "photos", "seed": 0, "out": name, "positive": None},
            "versions": {"keiki": "1"},
            "digests": {"data": "ab" * 32},
            "seconds": {"total": 4.5},
            "peak_memory_bytes": 10**9,
        }
        write_json(folder / "run.json", {**facts, **summary})
        report = {"created": "2026-03-07T15:04:05+01:00", "cost": {"prediction_ms": 9.0, "bundle_bytes": 14_000_000}}
        write_json(folder / "report.json", report)
        return folder

    return made


def test_the_difference_is_that_of_the_evidence(make: Make) -> None:
    found = compare([make("a", range(10, 40)), make("b", range(36))])
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("a", "b")
    assert (pair.only_first, pair.only_second, pair.both_right, pair.both_wrong) == (4, 10, 26, 0)
    assert pair.difference == tango(4, 10, 40)
    assert pair.p == pair.adjusted == pytest.approx(mcnemar_exact(4, 10))
    assert found.n == 40
    assert [run.score.value for run in found.runs] == [0.75, 0.9]


def test_items_are_matched_by_content_in_whatever_order(make: Make) -> None:
    there = compare([make("a", range(10, 40)), make("b", range(36))])
    back = compare([make("c", range(10, 40)), make("d", range(36), items=range(39, -1, -1))])
    assert back.pairs[0].difference == there.pairs[0].difference


def test_classes_are_matched_by_name(make: Make) -> None:
    found = compare([make("a", range(10, 40)), make("b", range(36), classes=("owl", "cat", "dog"))])
    assert found.pairs[0].only_second == 10
    assert found.runs[1].score.value == 0.9


def test_clusters_of_either_run_widen_the_interval(make: Make) -> None:
    groups = [i // 4 for i in range(40)]
    alone = compare([make("a", range(8, 40)), make("b", range(36))])
    found = compare([make("c", range(8, 40)), make("d", range(36), groups=groups)])
    labels = np.arange(40) % 3
    sides = (np.where(np.isin(range(40), right), labels, (labels + 1) % 3) for right in (range(8, 40), range(36)))
    shares = [np.full((40, 3), 0.05) + 0.85 * np.eye(3)[decided] for decided in sides]
    expected = paired_difference(
        METRICS.get("accuracy"), labels, *shares, rng=Randomness(0).numpy("compare"), groups=np.array(groups)
    )
    assert found.pairs[0].difference == expected
    assert found.pairs[0].difference.width > alone.pairs[0].difference.width
    assert found.pairs[0].p > alone.pairs[0].p


def test_repeated_answers_of_an_item_stay_together(make: Make) -> None:
    once = compare([make("a", range(10, 40)), make("b", range(36))])
    thrice = compare([make("c", range(10, 40), repeats=3), make("d", range(36), repeats=3)])
    assert (thrice.n, thrice.repeats) == (40, 3.0)
    assert thrice.pairs[0].p == pytest.approx(once.pairs[0].p)
    assert thrice.pairs[0].difference.value == pytest.approx(once.pairs[0].difference.value)
    assert any("procedure" in note for note in thrice.notes)


def test_other_items_are_refused_with_their_number(make: Make) -> None:
    runs = [make("a", range(10, 40)), make("b", range(40), items=range(5, 50))]
    with pytest.raises(RequestError, match=r"'a' on 40 items, 'b' on 45 items; all of them share 35\.") as error:
        compare(runs)
    assert "--shared" in error.value.hint
    found = compare(runs, shared=True)
    assert found.n == 35
    assert "35 items" in found.notes[0]


def test_other_labels_are_refused_and_counted(make: Make) -> None:
    labels = [i % 3 if i else 2 for i in range(40)]
    with pytest.raises(RequestError, match="share 39; 1 more have another label"):
        compare([make("a", range(40)), make("b", range(30), labels=labels)])


def test_nothing_in_common_is_refused_even_with_shared(make: Make) -> None:
    runs = [make("a", range(40)), make("b", range(40, 60), items=range(40, 80))]
    with pytest.raises(RequestError, match="share 0") as error:
        compare(runs, shared=True)
    assert "--shared" not in error.value.hint


def test_other_classes_are_refused_by_name(make: Make) -> None:
    with pytest.raises(RequestError, match=r"only 'a' knows 'owl'; only 'b' knows 'bee'"):
        compare([make("a", range(40)), make("b", range(30), classes=("cat", "dog", "bee"))])


@pytest.mark.parametrize("other", ["a", "./a", "a/bundle", "last", "copy"])
def test_a_run_compared_with_itself_is_refused(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    folder = make("a", range(40))
    (folder / "bundle").mkdir()
    monkeypatch.chdir(folder.parent)
    Path("last").symlink_to("a")
    shutil.copytree(folder, "copy")
    with pytest.raises(RequestError, match="itself"):
        compare(["a", other])


def test_two_runs_that_answer_alike_are_no_mistake(make: Make) -> None:
    found = compare([make("a", range(10, 40)), make("b", range(10, 40), seconds={"total": 5.0})])
    assert found.pairs[0].difference.value == 0
    assert not found.pairs[0].settled


def test_what_is_no_run_is_refused(make: Make, tmp_path: Path) -> None:
    folder = make("photos-1", range(40))
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "request.json").write_text("{}")
    old = make("old", range(30))
    (old / answers.FILE).unlink()
    for other, said in (
        (folder.parent / "photo-1", "Did you mean"),
        (tmp_path, "no run"),
        (tmp_path / "cut", "--resume"),
        (old, "Fit again"),
    ):
        with pytest.raises(BundleError, match=said):
            compare([folder, other])
    (old / "run.json").write_text("[")
    with pytest.raises(KeikiError, match="damaged"):
        compare([folder, old])
    for runs in ([], [folder]):
        with pytest.raises(RequestError, match="two runs"):
            compare(runs)


def test_the_metric_is_the_first_runs_or_the_one_asked_for(make: Make) -> None:
    runs = [make("a", range(10, 40), metric="macro_f1"), make("b", range(36))]
    found = compare(runs)
    assert found.metric == "macro_f1"
    assert any("different metrics" in note for note in found.notes)
    assert compare(runs, metric="log-loss").metric == "log_loss"
    with pytest.raises(RequestError, match="200 items"):
        compare(runs, metric="ece")
    with pytest.raises(RequestError, match="positive"):
        compare(runs, metric="f1")
    assert compare(runs, metric="f1", positive="dog").metric == "f1"


def test_what_was_done_differently_is_told(make: Make) -> None:
    runs = [
        make("a", range(10, 40)),
        make("b", range(36), config={"data": "photos", "seed": 1, "positive": None, "budget": 60.0}, options={}),
    ]
    found = {each.name: each.values for each in compare(runs).differences}
    assert found == {"seed": ("0", "1"), "budget": ("–", "60"), "penalty (of the method)": ("0.1", "–")}


def test_different_protocols_are_stated(make: Make) -> None:
    found = compare([make("a", range(10, 40)), make("b", range(36), repeats=1)])
    assert any("different ways: a on a given test set, b by nested" in note for note in found.notes)
    assert [run.protocol for run in found.runs] == ["given", "nested"]


def test_single_items_are_named_unless_a_run_kept_them_out(make: Make) -> None:
    a, b, c = make("a", range(10, 40)), make("b", range(36)), make("c", range(30), samples=False)
    shown = compare([a, b])
    assert shown.n_disagreements == len(shown.disagreements) == 14
    assert {each.id for each in shown.disagreements} == {f"{i}.png" for i in (*range(10), *range(36, 40))}
    assert shown.disagreements[0].label in CLASSES
    hidden = compare([a, c])
    assert hidden.disagreements == ()
    assert hidden.n_disagreements == 20


def test_classes_that_changed_most_come_first(make: Make) -> None:
    found = compare([make("a", range(40)), make("b", [i for i in range(40) if i % 3 != 1])])
    assert found.per_class[0].name == "dog"
    assert found.per_class[0].recalls == (1.0, 0.0)
    assert found.per_class[0].support == 13


def test_equal_names_of_folders_are_told_apart(make: Make, tmp_path: Path) -> None:
    one, other = make("a", range(10, 40)), make("b", range(36))
    (tmp_path / "later").mkdir()
    moved = other.rename(tmp_path / "later" / "a")
    assert [run.name for run in compare([one, moved]).runs] == [str(one), str(moved)]


def test_files_of_other_versions_leave_gaps_and_no_traceback(make: Make) -> None:
    odd = make("odd", range(36), seconds={"total": "long"}, task={"train": [1]}, config=7, versions=None, digests="x")
    (odd / "report.json").write_text('{"created": "yesterday", "cost": {"prediction_ms": true, "bundle_bytes": "big"}}')
    found = compare([make("a", range(10, 40)), odd]).runs[1]
    assert (found.created, found.n_train, found.total_seconds, found.bundle_bytes) == (None, None, None, None)
    (odd / "report.json").unlink()
    assert compare([odd.parent / "a", odd]).runs[1].prediction_ms is None


# The command line


def test_the_table_the_verdict_and_the_page(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make("a", range(20, 40))
    make("b", range(39))
    assert main(["compare", "runs/a", "runs/b"]) == 0
    told = capsys.readouterr().out
    assert "'b' is better than 'a': +48 points" in told
    assert "tiny + linear-probe" in told
    assert told.splitlines()[-1] == "page: runs/compare.html"
    page = Path("runs/compare.html").read_text(encoding="utf-8")
    assert "&#39;b&#39; is better than &#39;a&#39;" in page


def test_json_is_one_object(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(make(name, right)) for name, right in (("a", range(10, 40)), ("b", range(36)), ("c", range(20)))]
    assert main(["compare", *runs, "--json", "--out", str(tmp_path / "c.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(tmp_path / "c.html")
    assert (tmp_path / "c.html").is_file()
    assert [run["name"] for run in found["runs"]] == ["a", "b", "c"]
    assert len(found["pairs"]) == 3
    assert found["pairs"][0]["p_adjusted"] >= found["pairs"][0]["p"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a"], "two runs"),
        (["a", "a"], "itself"),
        (["a", "b", "--out", "page.pdf"], ".html"),
        (["a", "b", "--metric", "acuracy"], "Did you mean 'accuracy'"),
        (["a", "gone"], "no run"),
    ],
)
def test_wrong_requests_end_with_code_2(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    make("a", range(30))
    make("b", range(36))
    monkeypatch.chdir(tmp_path / "runs")
    assert main(["compare", *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert not list((tmp_path / "runs").glob("*.html"))


def test_answers_that_are_missing_are_left_out(make: Make) -> None:
    """A row of NaN stands where a method had no answer."""
    a, b = make("a", range(10, 40)), make("b", range(36))
    found = answers.read(a)
    shares = found.probabilities.copy()
    shares[3] = np.nan
    with np.load(a / answers.FILE) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(a / answers.FILE, **{**arrays, "probabilities": replace(found, probabilities=shares).probabilities})
    with pytest.raises(RequestError, match="share 39"):
        compare([a, b])


def test_runs_of_other_classes_are_compared_on_the_classes_that_both_know(make: Make) -> None:
    old, new = make("a", range(40)), make("b", range(30), classes=("bee", "cat", "dog", "owl"))
    with pytest.raises(RequestError, match="only 'b' knows 'bee'") as error:
        compare([old, new])
    assert "--shared" in error.value.hint
    found = compare([old, new], shared=True)
    assert "the 3 classes that all runs know; only 'b' knows 'bee'" in found.notes[0]
    plain = compare([old, make("c", range(30))])
    assert found.n == plain.n
    assert [run.score.value for run in found.runs] == [run.score.value for run in plain.runs]
    assert found.pairs[0].difference == plain.pairs[0].difference
