"""What moved: no sentence claims more than the numbers, and every bar is as long as its part went far."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

import pytest

from keiki.evaluation.report import movement, page
from keiki.evaluation.report.moved import Moved, Piece, Probe, Still
from keiki.evaluation.report.schema import Interval, Report

Samples = dict[str, Callable[[], Report]]


def moved(free: Sequence[bool], relative: Sequence[float | None] = (), **more: object) -> Moved:
    """Ten numbers a part, all of them free to move or none."""
    ways = [*relative, *[0.0] * (len(free) - len(relative))]
    pieces = tuple(
        Piece(name=f"part.{i}", parameters=10, moving=10 * on, relative=way)
        for i, (on, way) in enumerate(zip(free, ways, strict=True))
    )
    plain = Moved(method="tuning", shipped=True, pieces=pieces, n_moved=sum(free), head=4, fitted=9, share=0.35,
                  seconds=41.3, pace={}, boundary={})  # fmt: skip
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


SENTENCES = [
    (moved([False, False, True], [0, 0, 0.021], descending=38.7),
     "Of 3 parts only 'part.2' was free to move, 35 % of all weights; the farthest is 'part.2', 2.1 % away from where "
     "it started. It took 41.3 s, of which 38.7 s were steps."),
    (moved([False, True, True], [0, 0.5, 0.00004]),
     "The last 2 of 3 parts were free to move, 35 % of all weights; the farthest is 'part.1', 50.0 % away from where "
     "it started. It took 41.3 s."),
    (moved([True, False, True], [0.001, 0, 0.0005], in_all=412.0),
     "2 of 3 parts were free to move, 35 % of all weights; the farthest is 'part.0', 0.1 % away from where it started. "
     "It took 41.3 s; with the fits that judged it, 6 min 52 s."),
    (moved([True, True], [0.1, None], share=1.0, in_all=41.4),
     "All 2 parts were free to move, 100 % of all weights; the farthest is 'part.0', 10.0 % away from where it started."
     " It took 41.3 s."),
    (moved([True, True], share=1.0),
     "All 2 parts were free to move, 100 % of all weights; none ended elsewhere than it started, for no "
     "later state was better. It took 41.3 s."),
    (moved([False, False], share=0.0004),
     "Only the new head learned, 0.04 % of all weights: all 2 parts lay still; nothing of the pretrained network "
     "changed. It took 41.3 s."),
    (moved([True, True], [0.1, 0], merged=True, share=0.004),
     "All 2 parts were free to move, along changes that hold 0.4 % of all numbers; the farthest is 'part.0', 10.0 % "
     "away from where it started. It took 41.3 s."),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), SENTENCES)
def test_the_sentence_says_which_how_far_and_how_long(found: Moved, expected: str) -> None:
    assert movement.sentence(found) == expected


def gain(value: float, low: float, high: float) -> Probe:
    return Probe(seconds=0.62, gain=Interval(value=value, low=low, high=high), n=60)


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (gain(0.041, 0.017, 0.065), "brought 0.04 lower log loss (0.02–0.07) on 60 training items that neither had "
         "learned from."),
        (gain(0.041, -0.027, 0.11), "brought 0.04 lower log loss (0.03 higher to 0.11 lower) on 60 training items that "
         "neither had learned from, which may be chance."),
        (gain(-0.1, -0.2, -0.05), "brought 0.10 higher log loss (0.05–0.20) on 60 training items that neither had "
         "learned from, so the probe would have done better."),
        (gain(0.0, -0.0001, 0.0001), "changed nothing on 60 training items that neither had learned from."),
        (Probe(seconds=0.62), "Too few training items were kept apart from both to compare them."),
    ],
)  # fmt: skip
def test_what_it_brought_is_judged_by_its_interval(probe: Probe, expected: str) -> None:
    told = movement.against(probe)
    assert told.startswith("The linear probe takes 0.6 s on features that are there.")
    assert told.endswith(expected)


def test_that_it_was_stopped_by_what_judges_it_is_said() -> None:
    fair = movement.against(gain(0.041, 0.017, 0.065))
    flattered = movement.against(dataclasses.replace(gain(0.041, 0.017, 0.065), flattered=True))
    assert flattered == f"{fair} It was stopped by these items, which flatters it a little."


def test_the_proof_says_whether_the_digests_are_equal() -> None:
    equal = Still(tensors=120, parameters=9, before="abcd" * 16, after="abcd" * 16)
    assert movement.proof(equal) == "Digest of the 120 frozen tensors before and after: equal (abcdabcdabcd…)."
    other = dataclasses.replace(equal, after="dcba" * 16)
    assert "not equal (abcdabcdabcd… and dcbadcbadcba…)" in movement.proof(other)


def test_bars_are_as_long_as_the_way(samples: Samples) -> None:
    found = samples["tuned"]().moved
    assert found is not None
    bars = movement.bars(found)
    longest = max(piece.relative or 0 for piece in found.pieces)
    assert [bar.length for bar in bars] == pytest.approx([(p.relative or 0) / longest for p in found.pieces])
    assert [bar.says for bar in bars[:13]] == ["still"] * 12 + ["0.4 %"]
    assert bars[-1].says == "2.1 %"


def test_a_part_that_was_given_an_adapter_lay_still_itself() -> None:
    found = moved([False, True], share=0.1)
    own, piece = found.pieces
    adapted = dataclasses.replace(found, pieces=(own, dataclasses.replace(piece, added=10)))
    assert movement.sentence(adapted).startswith(
        "The pretrained weights lay still; 1 of 2 parts were given small networks of their own, 10 % of all weights; "
        "nothing of the pretrained network changed."
    )
    assert [bar.says for bar in movement.bars(adapted)] == ["still", "still"]


def test_a_frozen_part_that_moved_is_not_called_still() -> None:
    [bar] = movement.bars(moved([False], [0.02]))
    assert bar.says == "2.0 %"


def test_nothing_moved_gives_no_bar_and_no_division_by_zero() -> None:
    assert [bar.length for bar in movement.bars(moved([True, False]))] == [0.0, 0.0]


def section(report: Report) -> str:
    html = page.render_report(report)
    assert 'href="#moved"' in html
    return html.partition('id="moved"')[2].partition("</section>")[0]


def test_the_section_draws_still_parts_hollow_and_says_so(samples: Samples) -> None:
    shown = section(samples["tuned"]())
    assert shown.count('class="bar still"') == 12
    assert shown.count('class="bar count"') == 6
    assert shown.count(">still<") == 12
    assert "merged" not in shown
    assert "equal (ab12ab12ab12" in shown
    assert len(re.findall(r"<code>(\w+)</code>", shown)) == 4


def test_merged_changes_are_counted_beside_the_weights(samples: Samples) -> None:
    report = samples["tuned"]()
    assert report.moved is not None
    merged = dataclasses.replace(report.moved, merged=True, fitted=4321)
    assert "(4\u202f321 numbers, with the head) and was then merged" in section(
        dataclasses.replace(report, moved=merged)
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shipped": False}, "This is the linear probe, then fine-tuning, which is not the model you got"),
        ({"probe_kept": True}, "the linear probe was better by more than a standard error"),
    ],
)
def test_it_says_what_became_of_the_network(change: dict[str, bool], told: str, samples: Samples) -> None:
    report = samples["tuned"]()
    assert report.moved is not None
    assert told not in section(report)
    assert told in section(dataclasses.replace(report, moved=dataclasses.replace(report.moved, **change)))  # type: ignore[arg-type]


def test_without_fine_tuning_there_is_no_section(samples: Samples) -> None:
    assert 'id="moved"' not in page.render_report(samples["pictures"]())


@pytest.mark.parametrize("name", ["epochs", "patience", "budget", "diverged"])
def test_every_end_has_its_words(name: str) -> None:
    told = movement.ended(moved([True], stopped=name, epochs=1, steps=12))
    assert told == f"1 epoch (12 steps); {movement.STOPPED[name]}"


def test_what_was_kept_of_the_frozen_parts_is_said_or_why_not() -> None:
    assert movement.kept({"stages": 1, "variants": 0, "bytes": 812}) == (
        "the answers of the first part for each item, at most 812 B"
    )
    assert movement.kept({"stages": 5, "why_not": "the disk is full"}) == "nothing: the disk is full"


def test_a_second_training_on_all_items_is_told_apart() -> None:
    told = movement.ended(moved([True], stopped="epochs", epochs=3, steps=9, again_epochs=2, again_steps=8))
    assert told == (
        "3 epochs (9 steps), then once more on all items for 2 epochs (8 steps); " + movement.STOPPED["epochs"]
    )
