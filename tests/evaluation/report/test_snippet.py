"""Results in a notebook: whole, small, escaped, and nothing from elsewhere."""

from __future__ import annotations

import html.parser
from collections.abc import Callable

import numpy as np

from keiki.artifacts.predictions import Predictions
from keiki.evaluation.report import sentences
from keiki.evaluation.report.schema import Report
from keiki.evaluation.report.snippet import MOST_ROWS, predictions_snippet, run_snippet

FOREIGN = ("<script", "<img", "<link", "http:", "https:")


class _Balance(html.parser.HTMLParser):
    """Every tag that is opened is closed, in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(markup)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_every_report_gives_a_sound_snippet(sample: Report):
    markup = run_snippet(sample, "runs/a/report.html")
    text = " ".join(_Balance(markup).text)
    assert len(markup) < 20_000
    assert sentences.figure(sample.headline) in text
    assert "runs/a/report.html" in text
    assert not [each for each in FOREIGN if each in markup]


def test_names_cannot_break_out(samples: dict[str, Callable[[], Report]]):
    markup = run_snippet(samples["hostile"](), "<b>&")
    assert "&lt;script&gt;" in markup
    assert "&lt;b&gt;&amp;" in markup


def predictions(n: int, errors: dict[int, str] | None = None) -> Predictions:
    shares = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (n, 1))
    return Predictions(("<script>cat", "dog"), shares, errors or {}, 0.8)


def test_answers_become_a_table_with_words_for_decisions():
    text = _Balance(predictions_snippet(predictions(2, {1: "empty <text>"}))).text
    assert text[:1] == ["2 answers"]
    assert "<script>cat" in text
    assert "accept" in text
    assert "90 %" in text
    assert "empty <text>" in text
    assert not [each for each in FOREIGN if each in predictions_snippet(predictions(2))]


def test_many_answers_are_cut_and_counted():
    asked: list[int] = []

    class Counted(Predictions):
        def answer(self, row: int):
            asked.append(row)
            return super().answer(row)

    many = predictions(5000)
    markup = predictions_snippet(Counted(many.classes, many.probabilities, {}, None))
    assert asked == list(range(MOST_ROWS))
    assert "and 4\N{NARROW NO-BREAK SPACE}980 more" in markup


def test_no_answers_are_said_to_be_none():
    assert "0 answers" in predictions_snippet(predictions(0))
