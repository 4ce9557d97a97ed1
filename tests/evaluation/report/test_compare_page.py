"""The page of a comparison: inert, well-formed, and saying what the figures say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from keiki.evaluation.comparison import Pair
from keiki.evaluation.intervals import Interval
from keiki.evaluation.report import compare_page, comparing
from keiki.evaluation.report.comparing import ClassRow, Comparison, Difference, Disagreement, Entry

WHEN = "2026-03-07T15:04:05+01:00"
EVIL = "<script>alert(1)</script>\"'&\u202e"
VOID = {"meta", "br", "img"}
SHAPES = {"line", "rect", "circle", "path", "polyline"}


class Reader(HTMLParser):
    """Visible text and tags; complains about what is not nested well."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def pair(first: str, second: str, value: float, half: float = 0.04, p: float = 0.02) -> Pair:
    return Pair(first, second, Interval(value, value - half, value + half), 60, 12, 4, 20, p / 2, p)


def entry(name: str, score: float) -> Entry:
    return Entry(
        name=name,
        folder=f"/runs/{name}",
        created=WHEN,
        method="linear-probe",
        backbone="tiny",
        protocol="given",
        n_train=300,
        score=Interval(score, score - 0.05, score + 0.05),
        total_seconds=4.5,
        prediction_ms=9.0,
        bundle_bytes=14_000_000,
        peak_memory_bytes=10**9,
        trained_parameters=20_000,
    )


@pytest.fixture
def two() -> Comparison:
    return Comparison(
        metric="accuracy",
        noun="pictures",
        n=96,
        repeats=1.0,
        classes=("cat", "dog"),
        runs=(entry("a", 0.72), entry("b", 0.8)),
        pairs=(pair("a", "b", -0.08),),
        differences=(Difference(name="seed", values=("0", "1")),),
        per_class=(ClassRow(name="cat", support=40, recalls=(0.5, 0.9)),),
        disagreements=(Disagreement(id="1.png", label="cat", said=("dog", "cat")),),
        n_disagreements=16,
        notes=("The runs were fitted for different metrics (accuracy, f1); compared is accuracy.",),
    )


@pytest.fixture
def three(two: Comparison) -> Comparison:
    return replace(
        two,
        runs=(*two.runs, entry("c", 0.79)),
        pairs=(pair("a", "b", -0.08), pair("a", "c", -0.07, 0.1, 0.3), pair("b", "c", 0.01, 0.05, 0.7)),
        differences=(),
        per_class=(ClassRow(name="cat", support=40, recalls=(0.5, 0.9, 0.8)),),
        disagreements=(),
    )


def test_the_page_is_well_formed_and_loads_nothing(two: Comparison, three: Comparison) -> None:
    for comparison in (two, three):
        page = compare_page.render(comparison, WHEN)
        found = Reader(page)
        assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in found.tags}
        assert not re.search(r"(src|href)=.?https?:", page)
        style = page.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in page
        ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
        assert len(ids) == len(set(ids))


def test_two_runs_show_their_difference(two: Comparison) -> None:
    words = Reader(compare_page.render(two, WHEN)).words
    assert "+8 points of accuracy for b over a 4–12" in words
    assert "'b' is better than 'a': +8 points (4–12), p = 0.02" in words
    assert "7 March 2026, 15:04" in words
    assert "14 MB" in words
    assert "16 pictures are decided right by some runs" in words.replace("16 Pictures", "16 pictures")
    assert "McNemar's exact test lies below 0.05" in words
    assert "compared is accuracy" in words


def test_a_difference_that_is_not_settled_is_called_so(two: Comparison) -> None:
    unsure = replace(two, pairs=(replace(two.pairs[0], adjusted=0.2),))
    assert "for b over a ; chance could have done it" in Reader(compare_page.render(unsure, WHEN)).words


def test_three_runs_show_the_leader_and_what_is_settled(three: Comparison) -> None:
    words = Reader(compare_page.render(three, WHEN)).words
    assert "80 % accuracy of b , the best of 3".replace(" ", "") in words.replace("\u202f", "").replace(" ", "")
    assert "settled against 'a', and not against the others" in words
    assert "adjusted over 3 pairs" in words
    assert "Nothing: the runs were asked for the same thing" in words


def test_what_data_say_is_shown_and_not_obeyed(two: Comparison) -> None:
    evil = replace(
        two,
        classes=(EVIL, "dog"),
        runs=(replace(two.runs[0], name=EVIL, method=EVIL), two.runs[1]),
        pairs=(replace(two.pairs[0], first=EVIL),),
        differences=(Difference(name=EVIL, values=(EVIL, "1")),),
        per_class=(ClassRow(name=EVIL, support=1, recalls=(0.0, 1.0)),),
        disagreements=(Disagreement(id=EVIL, label=EVIL, said=(EVIL, "dog")),),
        notes=(EVIL,),
    )
    page = compare_page.render(evil, WHEN)
    assert "<script" not in page
    Reader(page)


def test_what_is_not_known_is_not_made_up(two: Comparison) -> None:
    nothing = Interval(0.1, float("-inf"), float("inf"))
    blank = replace(
        two.runs[0],
        created=None,
        n_train=None,
        total_seconds=None,
        prediction_ms=None,
        bundle_bytes=None,
        peak_memory_bytes=None,
        trained_parameters=None,
        score=Interval(0.7, float("-inf"), float("inf")),
    )
    page = compare_page.render(
        replace(two, runs=(blank, two.runs[1]), pairs=(replace(two.pairs[0], difference=nothing),), disagreements=()),
        WHEN,
    )
    words = Reader(page).words
    assert "inf" not in words.replace("information", "")
    assert "too few independent items" in words
    assert "Where they disagree" not in words


def test_a_score_other_than_a_share_is_no_percentage(two: Comparison) -> None:
    words = Reader(compare_page.render(replace(two, metric="log_loss"), WHEN)).words
    assert "+0.08 in log loss for b over a" in words
    assert "a swap test" in words
    assert "'b' is better than 'a': 0.08 better in log loss (0.04–0.12)" in words


@pytest.mark.parametrize(
    ("value", "p", "said"),
    [
        (0.08, 0.02, "'a' is better than 'b': +8 points (4–12), p = 0.02"),
        (-0.08, 0.0001, "'b' is better than 'a': +8 points (4–12), p < 0.001"),
        (-0.08, 0.06, "no difference settled between 'b' and 'a': +8 points (4–12), p = 0.06"),
        (0.02, 0.4, "no difference settled between 'a' and 'b': +2 points (−2 to +6), p = 0.4"),
    ],
)
def test_the_verdict_of_a_pair(value: float, p: float, said: str) -> None:
    assert comparing.verdict(pair("a", "b", value, p=p), "accuracy") == said


def test_equal_answers_are_called_equal() -> None:
    same = Pair("a", "b", Interval(0.0, 0.0, 0.0), 9, 0, 0, 1, 1.0, 1.0)
    assert comparing.verdict(same, "accuracy") == "'a' and 'b' give the same answers"


def test_the_overview_of_many(three: Comparison) -> None:
    won = replace(three, pairs=(pair("a", "b", -0.08), pair("a", "c", -0.07), pair("b", "c", 0.09)))
    assert comparing.overview(won) == "'b' is better than every other run"
    lost = replace(three, pairs=tuple(replace(each, adjusted=0.5) for each in three.pairs))
    assert comparing.overview(lost) == "'b' has the best score, but no lead of it is settled"


def test_where_interval_and_p_disagree_it_is_explained(two: Comparison, three: Comparison) -> None:
    odd = replace(two, pairs=(replace(pair("a", "b", -0.08), p=0.24, adjusted=0.24),))
    words = Reader(compare_page.render(odd, WHEN)).words
    assert "swapping the two runs' answers at random gives as large a difference too often" in words
    many = replace(three, pairs=(replace(three.pairs[0], p=0.03, adjusted=0.09), *three.pairs[1:]))
    assert (
        "among so many pairs one like this comes up by chance (Holm)" in Reader(compare_page.render(many, WHEN)).words
    )
    assert "are not settled:" not in Reader(compare_page.render(three, WHEN)).words


def test_on_a_phone_every_cell_says_what_it_is_of(three: Comparison) -> None:
    """There the tables are cards, so each cell needs its column, and the tables their roles."""
    shown = (Disagreement(id="1.png", label="cat", said=("dog", "cat", "cat")),)
    page = compare_page.render(replace(three, disagreements=shown), WHEN)
    cards = re.findall(r'<table class="[^"]*cards" role="table">.*?</table>', page, flags=re.DOTALL)
    assert len(cards) == 4  # none for the differences: there are none
    for card in cards:
        assert not re.findall(r'<td(?! role="cell" (data-of="[^"]+"|class="wide"))', card)
        assert not re.findall(r"<t[rh](?! role=)[ >]", card)
    assert 'data-of="c says"' in page
