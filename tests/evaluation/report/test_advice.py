"""The advice: what is said follows from the numbers, and nothing is claimed that they do not carry."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from keiki.evaluation.report import advice, sentences, tongues
from keiki.evaluation.report.insight import (
    Findings,
    Heat,
    Leak,
    LearningCurve,
    LearningPoint,
    Neighbour,
    Shown,
    Sizes,
    Why,
)
from keiki.evaluation.report.insight import Word as Piece
from keiki.evaluation.report.schema import Interval, Mistake, Report

Samples = dict[str, Callable[[], Report]]


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


def mistake(*labels: str, similarity: float = 0.5, why: Why | None = None) -> Mistake:
    near = tuple(Neighbour(item=Shown(label=label), similarity=similarity) for label in labels)
    return Mistake(id="a", true="rust", predicted="scab", probability=0.9, neighbours=near, why=why)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (mistake("scab", "scab", "scab"), "more like it are needed"),
        (mistake("rust", "mildew", "rust"), "rather 'rust', as it should be"),
        (mistake("scab", "mildew", "scab"), "Nothing near it is 'rust'"),
        (mistake("scab", "rust", "scab"), "lies on a border"),
        (mistake("scab", "rust", "rust", similarity=0.98), "one of the two may be wrong"),
        (mistake("rust", "scab", "scab", similarity=0.98), "lies on a border"),
    ],
)
def test_neighbours_are_read_aloud(found: Mistake, expected: str) -> None:
    assert expected in advice.case(found)


def test_what_would_have_changed_the_answer_is_said() -> None:
    heat = Heat(rows=1, columns=1, drops=(1.0,), n=49, flips=0, width=9, height=9)
    assert "No single place decides" in advice.case(mistake(why=Why(heat=heat)))
    flipped = dataclasses.replace(heat, flips=3)
    assert "3 of 49 places" in advice.case(mistake(why=Why(heat=flipped)))
    words = (Piece(text="very ", drop=0.1), Piece(text="late ", drop=2.0, flips=True))
    assert "Without 'late' the answer would have been another." in advice.case(mistake(why=Why(words=words)))
    assert "No single word decides" in advice.case(mistake(why=Why(words=words[:1])))


def curve(**more: object) -> LearningCurve:
    points = tuple(LearningPoint(n=n, accuracy=interval(0.8, 0.7, 0.9)) for n in (10, 20))
    base = LearningCurve(model="probe", n_labels=300, gain=0.01, points=points)
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def test_more_labels_are_answered_or_it_cannot_be_said() -> None:
    told = advice.more_labels(curve(more_labels=interval(61.4, 34.0, 1234.0)))
    assert told == "About 61 more labels for 1 more point of accuracy (34 to 1\u202f200)."
    assert advice.more_labels(curve(why_not="the curve is flat")).endswith("Can't say: the curve is flat.")
    assert advice.doubled(curve(doubled=interval(0.03, 0.01, 0.06))) == "Twice the labels would bring +3 points (1–6)."
    assert advice.doubled(curve()) == ""


def test_a_leak_says_which_figure_to_trust() -> None:
    leak = Leak(n=4, metric="accuracy", with_them=interval(0.89, 0.8, 0.94), without_them=interval(0.84, 0.74, 0.9))
    assert "4 test photos have a copy" in advice.leak(leak, "photos")
    assert "without them: 84 % (74–90 %). Trust the second" in advice.leak(leak, "photos")
    assert "make the split anew" in advice.leak(dataclasses.replace(leak, without_them=None), "photos")


def test_copies_flatter_no_figure_unless_there_is_a_leak() -> None:
    leak = Leak(n=1, metric="accuracy", with_them=interval(0.9, 0.8, 0.95), without_them=None)
    found = Findings(n_exact=1, n_near=2, n_copies=7)
    assert advice.copies(found, "photos").startswith(
        "1 set of exact copies and 2 sets of near-copies, 7 photos in all."
    )
    assert "flatter no figure" in advice.copies(found, "photos")
    assert "flatter" not in advice.copies(dataclasses.replace(found, leak=leak), "photos")
    assert advice.copies(Findings(), "photos").startswith("No two photos")


def test_weak_slices_are_named_with_the_rule(samples: Samples) -> None:
    slices = samples["pictures"]().slices
    assert slices is not None
    told = advice.slices(slices)
    assert "'up to 240 px' (size)" in told
    assert "the 7 slices looked at (Holm)" in told
    even = samples["nothing_found"]().slices
    assert even is not None
    assert advice.slices(even).startswith("No slice is clearly worse")


def test_what_was_found_reaches_the_closing_lines_where_no_warning_says_it(samples: Samples) -> None:
    report = dataclasses.replace(samples["pictures"](), warnings=())
    lines = sentences.closing_lines(report, "report.html")
    assert len(lines) == 5
    assert lines[2] == "watch: 37 labels look doubtful"
    sound = dataclasses.replace(report, findings=Findings())
    assert len(sentences.closing_lines(sound, "report.html")) == 4
    near = dataclasses.replace(report, findings=Findings(n_near=14, n_copies=31))
    assert sentences.closing_lines(near, "report.html")[2] == "watch: 14 sets of near-duplicates kept together"


def test_a_sound_data_set_is_called_sound(samples: Samples) -> None:
    found = samples["nothing_found"]().findings
    assert found is not None
    assert "No label stands out" in advice.suspects(found, "photos")


def test_one_thing_is_told_in_the_singular() -> None:
    assert "1 label among the training photos looks doubtful" in advice.suspects(Findings(n_suspects=1), "photos")
    one = advice.copies(Findings(n_exact=1, n_near=1, n_copies=4), "photos")
    assert one.startswith("1 set of exact copies and 1 set of near-copies, 4 photos in all.")
    small = advice.sizes(Sizes(input_side=224, n_small=1, n_large=1, smallest=(9, 9), largest=(99, 99)), "photos")
    assert "1 photo is below half of that and gets blown up" in small
    assert "1 photo is more than eight times as large" in small


def test_languages_are_named_and_the_rare_ones_joined() -> None:
    from py3langid import rank

    assert all(tongues.name(code) != code for code, _ in rank("what it can tell apart"))
    assert tongues.shares({"de": 0.45, "en": 0.4, "lb": 0.04, "ga": 0.03, "nl": 0.08}) == (
        "German 45 %, English 40 %, Dutch 8 %, other 7 %"
    )
    assert tongues.shares({"zxx": 0.99, "kab": 0.01}) == "no language 99 %, other 1 %"
    assert tongues.shares({"lb": 0.03}) == "Luxembourgish 3 %"
