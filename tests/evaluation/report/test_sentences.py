"""The words: every verdict, estimate and metric has its form, and no form claims more than the numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from keiki.evaluation.report import sentences, words
from keiki.evaluation.report.schema import Headline, Interval, Report, Transfer, Usability
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
