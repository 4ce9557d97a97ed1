"""What is said of a start of the user's own: true of the figures, and never more than they show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiki.evaluation.report import start_words
from keiki.evaluation.report.part import Interval
from keiki.evaluation.report.start import AgainstPublic, Old, Start

HIGH, LOW = Interval(value=0.9, low=0.85, high=0.94), Interval(value=0.7, low=0.6, high=0.78)
START = Start(name="run", digest="0" * 64, base="lite0", own_body=True, known=2, n_classes=3, judged=80)
OLD = Old(data="flowers", n=200, before=HIGH, after=LOW, difference=Interval(value=-0.2, low=-0.27, high=-0.13),
          verdict="forgot")  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "lead", "words"),
    [
        ("helped", (0.031, 0.01, 0.052), "+3 points (1–5) over the public one"),
        (
            "hurt",
            (-0.031, -0.052, -0.01),
            "−3 points (−5 to −1) against the public one, which is the better start here",
        ),
        ("undecided", (0.01, -0.02, 0.04), "+1 point (−2 to +4) against the public one, which may be chance"),
        ("equivalent", (0.0, -0.009, 0.009), "0.0 points (−0.9 to +0.9) against the public one, which counts as equal"),
    ],
)
def test_the_word_follows_the_verdict(verdict: str, lead: tuple[float, float, float], words: str) -> None:
    value, low, high = lead
    found = AgainstPublic(verdict=verdict, metric="accuracy", method="linear probe", own=HIGH, public=LOW,  # type: ignore[arg-type]
                          difference=Interval(value=value, low=low, high=high), margin=0.01)  # fmt: skip
    assert start_words.start(replace(START, against_public=found)) == f"your model as a start: {words}"


def test_a_body_that_is_public_is_not_called_a_start() -> None:
    assert "only its head is a start of its own" in start_words.start(replace(START, own_body=False))
    assert "not set beside" in start_words.start(START)


def test_classes_it_knew() -> None:
    assert start_words.classes(START) == "It knew 2 of 3 classes."
    assert start_words.classes(replace(START, known=3)) == "It knew all 3 classes."
    assert "not known" in start_words.classes(replace(START, known=None))


def test_what_was_forgotten_is_a_warning_and_what_was_kept_is_none() -> None:
    (warning,) = start_words.warnings(replace(START, old=OLD), "accuracy", "photos")
    assert warning[0] == "On the old data 'flowers' 90 % right before and 70 % now: −20 points (−27 to −13), 200 items."
    assert not list(start_words.warnings(replace(START, old=replace(OLD, verdict="kept")), "accuracy", "photos"))
    none = replace(OLD, after=None, difference=None, verdict="not comparable")
    (warning,) = start_words.warnings(replace(START, old=none), "accuracy", "photos")
    assert "the new model can name none of its classes" in warning[0]


def test_items_that_were_learned_from_are_a_warning_with_the_figure_without_them() -> None:
    seen = replace(START, judged_seen=30, without_them=LOW)
    (warning,) = start_words.warnings(seen, "accuracy", "photos")
    assert warning[0].startswith("30 photos of 80 that judge had been learned from")
    assert warning[0].endswith("without them accuracy is 70 %.")
    (warning,) = start_words.warnings(replace(seen, without_them=None), "accuracy", "photos")
    assert "too few are left" in warning[0]


def test_what_was_left_out_is_counted() -> None:
    many = replace(OLD, unnamed=40, unnamed_classes=("a", "b", "c", "d"), foreign=1, unreadable=2, seen_by_source=5)
    said = start_words.left_out(many)
    assert said == (
        "40 items are of classes that the new model cannot name ('a', 'b', 'c' and 1 more).",
        "1 item is of a class that the old model could not name.",
        "2 items cannot be read.",
        "Items that were learned from (5 by the old model) prove little and were left out.",
    )
    assert start_words.left_out(OLD) == ()
