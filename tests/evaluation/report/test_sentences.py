"""The words: every verdict, estimate and metric has its form, and no form claims more than the numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from keiki.evaluation.report import sentences, words
from keiki.evaluation.report.schema import (
    ChartRow,
    ClassCount,
    Headline,
    Interval,
    Partly,
    Report,
    Transfer,
    Usability,
    Warning,
)
from keiki.metrics.base import METRICS

Samples = dict[str, Callable[[], Report]]


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


def transfer(verdict: str, difference: Interval, **more: object) -> Transfer:
    base = Transfer(verdict="helped", metric="accuracy", against="HOG", difference=difference, margin=0.01)
    return dataclasses.replace(base, verdict=verdict, **more)  # type: ignore[arg-type]


HEADLINES = [
    (Headline(metric="accuracy", score=interval(0.8875, 0.8, 0.94), n=80),
     "89 % right on photos it never saw (80–94 %, 80 items)"),
    (Headline(metric="accuracy", score=interval(0.874, 0.833, 0.905), n=297, estimate="cross-validated procedure"),
     "87 % right on photos held out in turn (83–90 %, 297 items); an estimate of the procedure"),
    (Headline(metric="macro-f1", score=interval(0.84, 0.78, 0.9), n=80),
     "0.84 macro F1 on photos it never saw (0.78–0.90, 80 items)"),
    (Headline(metric="log_loss", score=interval(0.41, 0.3, 0.52), n=1, domain="target"),
     "0.41 log loss on photos it never saw, from the target domain (0.30–0.52, 1 item)"),
    (Headline(metric="accuracy", score=interval(0.9996, 0.9985, 1.0), n=10000),
     "99.96 % right on photos it never saw (99.9–100.0 %, 10\u202f000 items)"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "expected"), HEADLINES)
def test_headline(head: Headline, expected: str) -> None:
    assert sentences.headline(head, "photos") == expected


VERDICTS = [
    (transfer("helped", interval(0.31, 0.22, 0.4)),
     "pretraining helped: +31 points (22–40) over the best model without it (HOG)"),
    (transfer("hurt", interval(-0.08, -0.15, -0.01)),
     "pretraining hurt: −8 points (−15 to −1) against HOG, which starts from nothing but this data"),
    (transfer("equivalent", interval(0.002, -0.006, 0.009)),
     "pretraining made no difference: +0.2 points (−0.6 to +0.9) against HOG, "
     "within the ±1 point that counts as equal"),
    (transfer("undecided", interval(0.03, -0.02, 0.08), items_to_decide=640),
     "undecided whether pretraining helped: +3 points (−2 to +8) against HOG; about 640 test items would decide"),
    (transfer("undecided", interval(0.03, -0.02, 0.08)),
     "undecided whether pretraining helped: +3 points (−2 to +8) against HOG; too few test items to tell"),
    (transfer("helped", interval(0.31, 0.22, 0.4), metric="log_loss"),
     "pretraining helped: 0.31 lower log loss (0.22–0.40) over the best model without it (HOG)"),
    (transfer("hurt", interval(-0.08, -0.15, -0.01), metric="log_loss"),
     "pretraining hurt: 0.08 higher log loss (0.01–0.15) against HOG, which starts from nothing but this data"),
    (transfer("undecided", interval(0.03, -0.02, 0.08), metric="log_loss"),
     "undecided whether pretraining helped: 0.03 lower log loss (0.02 higher to 0.08 lower) against HOG; "
     "too few test items to tell"),
    (transfer("helped", interval(0.12, 0.05, 0.19), metric="macro_f1"),
     "pretraining helped: +0.12 in macro F1 (0.05–0.19) over the best model without it (HOG)"),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "expected"), VERDICTS)
def test_transfer_sentence(verdict: Transfer, expected: str) -> None:
    assert sentences.transfer_sentence(verdict) == expected


def test_every_metric_of_which_less_is_better_is_known() -> None:
    lower = {name for name, metric in METRICS.items() if not metric.higher_is_better}
    assert lower <= words.LOWER_IS_BETTER
    assert not words.LOWER_IS_BETTER & (set(METRICS.names()) - lower)


def test_looks_are_counted_aloud() -> None:
    assert "looked at 7 times" in sentences.looks(7)
    assert "used once" in sentences.looks(1)
    assert sentences.looks(None) == ""


@pytest.mark.parametrize(
    ("among", "expected"),
    [
        (interval(0.99, 0.96, 1.0), "is reached"),
        (interval(0.97, 0.88, 0.99), "possible but not proven"),
        (interval(0.8, 0.7, 0.88), "clearly short"),
    ],
)
def test_accepted_answers_are_judged_by_their_interval(among: Interval, expected: str) -> None:
    use = Usability(asked_accuracy=0.95, threshold=0.7, accepted=interval(0.74, 0.63, 0.82), n_accepted=59,
                    to_check=0.26, n_to_check=21, accuracy_among_accepted=among)  # fmt: skip
    assert expected in sentences.reached(use)


def test_no_threshold_means_check_everything(samples: Samples) -> None:
    use = samples["undecided"]().usability
    assert sentences.usability(use, "pictures").startswith("check every answer")


UNREACHED = Usability(asked_accuracy=0.95, threshold=None, accepted=interval(0.0, 0.0, 0.1), n_accepted=0,
                      to_check=1.0, n_to_check=40)  # fmt: skip


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("few", "check every answer: too few answers to held-out training photos to be sure, at any threshold, that "
                "95 % of the accepted ones are right"),
        ("short", "check every answer: at no threshold that was tried were 95 % of the answers to held-out training "
                  "photos right"),
        (None, "check every answer: at no threshold is it sure that 95 % of the accepted answers are right"),
    ],
)  # fmt: skip
def test_why_there_is_no_threshold(why: str | None, expected: str) -> None:
    use = dataclasses.replace(UNREACHED, unreached=why)  # type: ignore[arg-type]
    assert sentences.usability(use, "photos") == expected


def test_a_threshold_of_one_is_no_100_percent_or_more() -> None:
    sure = dataclasses.replace(UNREACHED, threshold=1.0)
    assert "with a probability of 100 %. This" in sentences.rule(sure)
    assert "of over 99.9 %. This" in sentences.rule(dataclasses.replace(sure, threshold=0.99987))
    assert "of 84 % or more. This" in sentences.rule(dataclasses.replace(sure, threshold=0.84))


ALL = interval(1.0, 0.93, 1.0)


@pytest.mark.parametrize(
    ("partly", "expected"),
    [
        (Partly(judged=("malign",), n_judged=1, n_classes=2, constant="malign", constant_right=1.0),
         "only 'malign' was judged, and always saying 'malign' would be 100 % right"),
        (Partly(judged=("a", "b"), n_judged=2, n_classes=5, constant="b", constant_right=0.6),
         "only 'a' and 'b', of 5 classes, were judged, and always saying 'b' would be 60 % right"),
        (Partly(judged=("a", "b", "c"), n_judged=98, n_classes=100, constant="a", constant_right=0.02),
         "only 98 of 100 classes were judged, and always saying 'a' would be 2 % right"),
    ],
)  # fmt: skip
def test_what_was_not_judged_stands_beside_the_figure(partly: Partly, expected: str, samples: Samples) -> None:
    head = Headline(metric="accuracy", score=ALL, n=50, partly=partly)
    assert sentences.headline(head, "photos") == f"100 % right on photos it never saw (93–100 %, 50 items); {expected}"
    report = dataclasses.replace(samples["pictures"](), headline=head)
    assert "classes judged" in sentences.title(report)


def test_the_newest_part_is_called_so(samples: Samples) -> None:
    report = samples["pictures"]()
    plain, newest = (dataclasses.replace(report.task, newest=each) for each in (False, True))
    assert "held-out test photos from the same source." in sentences.estimate(report.headline, plain)
    assert "held-out test photos, the newest of the same source." in sentences.estimate(report.headline, newest)
    assert sentences.split(newest) == "made by keiki: the newest items are for the test"


def test_a_split_is_called_stratified_only_where_it_is(samples: Samples) -> None:
    task = samples["pictures"]().task
    even = tuple(ClassCount(name=name, train=40, test=10) for name in "ab")
    bound = (ClassCount(name="a", train=80, test=0), ClassCount(name="b", train=68, test=12))
    fair, unfair = (dataclasses.replace(task, classes=each, n=n, train=n - t, test=t)
                    for each, n, t in ((even, 100, 20), (bound, 160, 12)))  # fmt: skip
    assert sentences.split(fair) == "made by keiki: drawn by chance, stratified by class"
    assert "stratified" not in sentences.split(unfair)


def test_a_control_that_was_not_finished_is_said_to_be_so() -> None:
    row = ChartRow(method="cnn", label="small network", role="control", score=ALL, unfinished="its loss still fell")
    found = transfer("undecided", interval(0.04, -0.12, 0.19), against="small network", items_to_decide=1217,
                     rows=(row,))  # fmt: skip
    assert sentences.transfer_sentence(found) == (
        "undecided whether pretraining helped: +4 points (−12 to +19) against small network, not trained to the end; "
        "about 1\u202f200 test items would decide"
    )
    assert sentences.unfinished(found) == (
        "Small network was not trained to the end (its loss still fell), but no other model without pretraining scores "
        "better, so it counts; trained on it may be better still.",
    )


def test_rounds_and_copies_are_said_of_the_mistakes(samples: Samples) -> None:
    head = samples["pictures"]().headline
    assert sentences.mistakes(9, head, "photos", repeats=3, copies=True) == (
        "9 mistakes among 80 photos on the average of 3 rounds; the most confident ones first, one of each set of "
        "copies"
    )


def test_nothing_is_watched_twice(samples: Samples) -> None:
    report = samples["pictures"]()
    warned = dataclasses.replace(
        report, warnings=(Warning(text="1 picture has a label that the model doubts.", remedy="Look at it."),)
    )
    [watch] = [line for line in sentences.closing_lines(warned, "report.html") if line.startswith("watch")]
    assert watch.count("doubt") == 1


def test_nothing_wrong_is_not_called_perfect(samples: Samples) -> None:
    report = samples["nothing_wrong"]()
    text = sentences.mistakes(0, report.headline, "photos")
    assert text == "no mistake among 30 photos; a share of mistakes up to 11 % would still fit what was seen"


def test_closing_lines_are_five(samples: Samples) -> None:
    lines = sentences.closing_lines(samples["pictures"](), "runs/photos-1/report.html")
    assert len(lines) == 5
    assert [line.split(":")[0] for line in lines[1:]] == ["pretraining helped", "watch", "report", "next"]
    assert lines[2].count(";") == 2
    assert lines[4] == "next:  keiki predict runs/last PHOTO..."
