"""The report of a fit: its deeper parts filled from what the run knows, and nothing of an item without samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keiki.evaluation.report import page
from keiki.evaluation.report.reading import from_json
from keiki.evaluation.report.schema import Report
from keiki.pipeline.findings import Cluster, Findings, Suspect
from keiki.pipeline.fit import Run
from keiki.pipeline.found import MOST_COPIES, MOST_SUSPECTS, rows
from keiki.pipeline.showing import UNNAMED

Fit = Callable[..., Run]
Write = Callable[..., Path]


def muddled(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every fifth label is that of the next class: there will be mistakes."""
    names = sorted({label for _, label in rows})
    return [
        (text, names[(names.index(label) + 1) % len(names)] if i % 5 == 2 else label)
        for i, (text, label) in enumerate(rows)
    ]


def read(run: Run) -> Report:
    return from_json(json.loads((run.folder / "report.json").read_text(encoding="utf-8")))


def test_mistakes_are_looked_into(rows: list[tuple[str, str]], table: Write, quick: Fit) -> None:
    report = read(quick(table(muddled(rows))))
    assert report.mistakes
    for mistake in report.mistakes:
        assert mistake.why is not None
        assert "".join(word.text for word in mistake.why.words) == mistake.text
        assert len(mistake.neighbours) == 3
        near = [each.similarity for each in mistake.neighbours]
        assert near == sorted(near, reverse=True)
        assert all(each.item.side == "training" for each in mistake.neighbours)
        assert mistake.id not in {each.item.id for each in mistake.neighbours}


def test_pictures_show_where_they_were_looked_at(photos: Path, quick: Fit) -> None:
    for blue, red in zip(
        sorted((photos / "blue").iterdir())[::3], sorted((photos / "red").iterdir())[::3], strict=True
    ):
        kept = blue.read_bytes()
        blue.write_bytes(red.read_bytes())
        red.write_bytes(kept)
    report = read(quick(photos))
    assert report.mistakes
    for mistake in report.mistakes:
        assert mistake.why is not None
        assert mistake.why.heat is not None
        assert all(each.item.thumbnail for each in mistake.neighbours)


def test_nested_mistakes_are_explained_by_the_model_that_made_them(
    rows: list[tuple[str, str]], table: Write, quick: Fit
) -> None:
    """Its neighbours come from the other folds, and the item itself, which the shipped model knows, is none of them."""
    report = read(quick(table(muddled(rows)), test=None, controls="quick"))
    assert report.task.split == "nested cross-validation"
    assert report.mistakes
    for mistake in report.mistakes:
        assert mistake.neighbours
        assert mistake.id not in {each.item.id for each in mistake.neighbours}
        assert all(each.item.side == "" for each in mistake.neighbours)
    assert report.map is not None
    assert report.map.n == len(report.map.x) == report.headline.n


def test_the_map_holds_every_judged_item_with_its_answer(texts: Path, quick: Fit) -> None:
    report = read(quick(texts))
    assert report.map is not None
    assert len(report.map.x) == report.task.test
    wrong = sum(a != b for a, b in zip(report.map.true, report.map.said, strict=True))
    assert wrong == report.n_mistakes
    assert len(set(report.map.ids)) == report.task.test


def test_without_samples_no_text_and_no_name_is_left(rows: list[tuple[str, str]], table: Write, quick: Fit) -> None:
    secret = [(f"{text} sesame{i}", label, f"Smith-{i // 3}") for i, (text, label) in enumerate(muddled(rows))]
    path = table([*secret, ("", "red", "Smith-0")], columns=("text", "label", "patient"))
    run = quick(path, input="text", group="patient", samples=False)
    for name in ("report.json", "report.html"):
        content = (run.folder / name).read_text(encoding="utf-8")
        assert "sesame" not in content
        assert "Smith" not in content
        assert "row 3" not in content
    report = read(run)
    assert not report.samples
    assert report.n_mistakes > 0
    assert report.mistakes == ()
    assert all(each.id == UNNAMED for each in report.task.skipped)
    assert page.render_report(report)


def test_long_findings_are_shown_in_part() -> None:
    many = Findings(
        clusters=tuple(Cluster(tuple(range(5 * k, 5 * k + 5)), "near", 0.9) for k in range(100)),
        suspects=tuple(Suspect(row, 0, 1, 0.1) for row in range(1000, 1100)),
    )
    assert len(rows(many)) == 4 * MOST_COPIES + MOST_SUSPECTS


@pytest.mark.slow
def test_the_same_seed_gives_the_same_insights(rows: list[tuple[str, str]], table: Write, quick: Fit) -> None:
    path = table(muddled(rows))
    one, other = (read(quick(path, name)) for name in ("one", "other"))
    for part in ("mistakes", "slices", "learning", "map", "risk"):
        assert getattr(one, part) == getattr(other, part), part


@pytest.mark.slow
def test_a_learning_curve_is_drawn_where_there_are_labels_enough(table: Write, quick: Fit) -> None:
    rng = np.random.default_rng(0)
    words = {"blue": ("sky", "sea"), "green": ("leaf", "grass"), "red": ("rose", "fire")}
    data = [
        (
            " ".join([*rng.choice(words[label], 1), *rng.choice(("the", "a", "is", "very", "sky", "rose"), 5)])
            + f" {i}",
            label,
        )
        for i, label in enumerate(list(words) * 100)
    ]
    report = read(quick(table(data)))
    assert report.learning is not None
    sizes = [point.n for point in report.learning.points]
    assert sizes == sorted(sizes)
    assert sizes[-1] == report.task.train
    assert report.learning.points[-1].accuracy.value == pytest.approx(report.headline.score.value)
    assert (report.learning.more_labels is None) == bool(report.learning.why_not)


@pytest.mark.parametrize(("metric", "sliced"), [("log_loss", "log_loss"), ("macro_f1", "accuracy")])
def test_slices_are_in_the_metric_that_has_a_value_for_an_item(
    metric: str, sliced: str, rows: list[tuple[str, str]], table: Write, quick: Fit
) -> None:
    longer = [(f"{text} {'very ' * (i % 5)}", label) for i, (text, label) in enumerate(rows)]
    report = read(quick(table(longer), test=None, metric=metric))
    assert report.headline.metric == metric
    assert report.slices is not None
    assert report.slices.metric == sliced
    assert [family.name for family in report.slices.families] == ["length"]
    shown = sum(one.n for one in report.slices.families[0].slices)
    assert shown <= report.headline.n  # with repeated folds an item counts once


def test_named_groups_are_slices_and_numbered_without_samples(
    rows: list[tuple[str, str]], table: Write, quick: Fit
) -> None:
    sites = [(text, label, f"site-{i % 3}") for i, (text, label) in enumerate(muddled(rows) * 3)]
    unique = [(f"{text} {i}", label, site) for i, (text, label, site) in enumerate(sites)]
    path = table(unique, columns=("text", "label", "site"))
    seen = read(quick(path, "seen", group="site", test=None))
    assert seen.slices is not None
    [family] = [each for each in seen.slices.families if each.name == "site"]
    assert sorted(one.name for one in family.slices) == ["site-0", "site-1", "site-2"]
    assert seen.task.n_groups == 3
    hidden = read(quick(path, "hidden", group="site", test=None, samples=False))
    assert hidden.slices is not None
    [family] = [each for each in hidden.slices.families if each.name == "site"]
    assert sorted(one.name for one in family.slices) == ["group 1", "group 2", "group 3"]


def test_without_groups_none_are_claimed(texts: Path, quick: Fit) -> None:
    report = read(quick(texts))
    assert report.task.group_column is None
    assert report.task.n_groups == 0


@pytest.mark.slow
def test_a_tuned_network_is_explained_by_itself(rows: list[tuple[str, str]], table: Write, quick: Fit) -> None:
    report = read(quick(table(muddled(rows)), method="lp-ft", options=["epochs=1"]))
    assert report.mistakes
    assert all(mistake.why is not None for mistake in report.mistakes)
    assert report.map is not None
    assert "before tuning" in report.map.of


@pytest.mark.slow
def test_the_same_report_comes_from_remembered_answers(rows: list[tuple[str, str]], table: Write, quick: Fit) -> None:
    """TF-IDF ships here; the second run finds its answers in the cache, without its models."""
    strange = [(" ".join(f"x{word}" for word in text.split()), label) for text, label in muddled(rows)]
    path = table(strange)  # in words that the tiny backbone does not know
    one, other = (read(quick(path, name, test=None, controls="quick")) for name in ("a", "b"))
    assert one.model.backbone == other.model.backbone == "tfidf"
    for part in ("mistakes", "slices", "learning", "map", "risk"):
        assert getattr(one, part) == getattr(other, part), part
