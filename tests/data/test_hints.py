"""What could be groups is told; classes, counters and single names are not."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.data.hints import Hint, by_burst, by_column, by_prefix, lift, plausible

LABELS = ["sick", "well"] * 60


def names(pattern: str, n: int = 120) -> list[str]:
    return [pattern.format(i=i, person=i // 4, part=i % 4, letter="abcd"[i % 4], half=i % 2) for i in range(n)]


@pytest.mark.parametrize(
    ("pattern", "n_groups"),
    [
        ("scans/img_{person:03d}_{letter}.png", 30),
        ("P{person:03d}-left-{part}.jpg", 30),
        ("patient{person}{letter}.png", 30),
        ("p{person:02d}/scan {part}.png", 30),
        ("video{person} frame {i:05d}.jpg", 30),
        ("{person:04d}.{part}.tif", 30),
    ],
)
def test_names_that_begin_alike_are_groups(pattern: str, n_groups: int) -> None:
    hint = by_prefix(names(pattern), LABELS)
    assert hint is not None
    assert (hint.n_groups, hint.n_items) == (n_groups, 120)
    assert hint.keys[0] == hint.keys[3] != hint.keys[4]
    assert len(hint.examples(names(pattern))) == 3


COUNTERS = ("IMG_{i:04d}.jpg", "{i}.png", "sick/{i:05d}.png", "row {i}", "photo ({i}).jpg", "trip-{i}-end.png")


@pytest.mark.parametrize("pattern", [*COUNTERS, "{half}/{i}.png"])
def test_counters_and_classes_are_no_groups(pattern: str) -> None:
    assert by_prefix(names(pattern), LABELS) is None


def test_numbers_that_begin_anew_in_each_folder_are_kept_apart() -> None:
    ids = [f"{label}/case{i // 2}_{i % 2}.png" for label in ("sick", "well") for i in range(60)]
    hint = by_prefix(ids, ["sick"] * 60 + ["well"] * 60)
    assert hint is not None
    assert hint.n_groups == 60


def test_bursts_are_pictures_of_one_folder_within_seconds() -> None:
    ids = [f"{'ab'[i % 2]}/{i}.jpg" for i in range(60)]
    taken = [f"2026-11-21T10:{i // 4:02d}:{i % 4:02d}" for i in range(60)]  # four in four seconds, two in each folder
    hint = by_burst(ids, taken, LABELS[:60])
    assert hint is not None
    assert (hint.n_groups, hint.n_items) == (30, 60)
    assert hint.keys[0] == hint.keys[2] != hint.keys[1]
    assert by_burst(ids, [f"2026-11-21T{i // 60 + 10}:{i % 60:02d}:00" for i in range(60)], LABELS[:60]) is None


def test_a_clock_that_stands_still_is_no_burst() -> None:
    assert by_burst([f"{i}.jpg" for i in range(50)], ["2000-01-01T00:00:00"] * 50, LABELS[:50]) is None
    assert by_burst([f"{i}.jpg" for i in range(50)], [""] * 50, LABELS[:50]) is None


def test_columns_are_told_by_name_and_by_repetition() -> None:
    repeated, unique = [str(i // 3) for i in range(120)], [str(i) for i in range(120)]
    columns = {
        "PatientID": repeated,
        "customer": repeated,
        "user_name": repeated,
        "row_id": unique,
        "id": unique,
        "colour": repeated,
        "humid": repeated,
        "site": ["north", "south"] * 60,
        "session": [""] * 120,
    }
    assert [hint.name for hint in by_column(columns, LABELS)] == ["PatientID", "customer", "user_name"]


def test_a_group_with_a_large_part_of_all_is_not_plausible() -> None:
    keys = tuple("one" if i < 60 else f"{i // 2}" for i in range(120))
    assert not plausible(keys, LABELS)


def test_lift_against_a_slow_count() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 4)), [str(c) for c in rng.integers(0, 3, 60)]
    keys = tuple(None if i % 7 == 0 else str(i % 9) for i in range(60))
    centred = features - features.mean(axis=0)
    hits, chance = 0, 0.0
    for i in range(60):
        others = [j for j in range(60) if j != i and labels[j] == labels[i]]
        cosine = [centred[i] @ centred[j] / np.linalg.norm(centred[i]) / np.linalg.norm(centred[j]) for j in others]
        nearest = others[int(np.argmax(cosine))]
        same = [keys[j] is not None and keys[j] == keys[i] for j in others]
        hits += keys[nearest] is not None and keys[nearest] == keys[i]
        chance += sum(same) / len(others)
    assert lift(features, labels, keys) == pytest.approx(hits / chance)


def test_groups_without_meaning_have_a_lift_of_one() -> None:
    rng = np.random.default_rng(0)
    keys = tuple(str(k) for k in rng.integers(0, 100, 1500))
    assert 0.5 < lift(rng.normal(size=(1500, 8)), ["a"] * 1500, keys) < 1.6


def test_lonely_items_count_in_no_group() -> None:
    hint = Hint("prefix", "x", ("a", "a", "b", None, None))
    assert (hint.n_groups, hint.n_items, hint.examples("12345")) == (1, 2, ("1", "2"))
