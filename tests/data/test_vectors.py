"""Rows of numbers as items: digits, digests, and when equal rows are copies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from keiki.core.errors import DataError, UnreadableItem
from keiki.data.vectors import as_rows, parsed_row, refuse_width, repeats_by_chance, row_digest, vector_items


def items(values: np.ndarray):
    return vector_items(as_rows(values, "X").matrix, [str(i) for i in range(len(values))])


def test_equal_rows_have_one_digest_and_minus_zero_is_zero():
    found = items(np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0]]))
    assert found.digests[0] == found.digests[1] != found.digests[2]
    assert row_digest(np.float32([1, 2])) == row_digest(np.float32([1, 2]).astype(">f4"))


def test_the_loss_of_digits_is_measured_against_the_range_of_each_column():
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(50, 1)), 1e8 + rng.normal(size=(50, 1))
    (note,) = as_rows(np.hstack([near, far, near]), "X").notes
    assert "1 of 3 features" in note
    assert "(feature 2 first)" in note
    assert as_rows(np.arange(2000, 2024)[:, None], "years").notes == ()  # whole numbers below 2^24 are exact
    assert "1 of 1" in as_rows(np.arange(2**40, 2**40 + 24)[:, None], "big").notes[0]


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_equal_rows_of_measurements_are_copies(load):
    assert not repeats_by_chance(items(load().data))


def test_equal_rows_of_few_values_are_coincidences():
    rng = np.random.default_rng(0)
    votes = rng.integers(2, size=(300, 8)).astype(float)
    assert repeats_by_chance(items(votes))
    measured = np.hstack([votes, rng.normal(size=(300, 2))])
    assert not repeats_by_chance(items(np.vstack([measured, measured])))  # the same rows twice are copies
    assert not repeats_by_chance(items(rng.integers(2, size=(300, 64)).astype(float)))


def test_the_expected_number_of_equal_pairs_is_right():
    """Against counting: independent columns of three values, over many draws."""
    rng = np.random.default_rng(1)
    pairs = []
    for _ in range(200):
        values = rng.integers(3, size=(12, 4))
        pairs.append(sum((values[i] == values[j]).all() for i in range(12) for j in range(i)))
    assert abs(np.mean(pairs) - 66 / 81) < 0.2
    assert repeats_by_chance(items(rng.integers(3, size=(40, 4)).astype(float)))  # 780 / 81 expected
    assert not repeats_by_chance(items(rng.integers(3, size=(12, 7)).astype(float)))  # 66 / 2187


def test_rows_of_other_width_are_no_part_of_the_task():
    refuse_width(items(np.ones((2, 3))), items(np.zeros((5, 3))))
    with pytest.raises(DataError, match="3 features and rows with 4"):
        refuse_width(items(np.ones((2, 3))), items(np.zeros((5, 4))))


def test_a_line_of_numbers_is_a_row():
    assert parsed_row(" 1;2.5\t-3e2 ").tolist() == [1.0, 2.5, -300.0]
    with pytest.raises(UnreadableItem, match="not a row of numbers"):
        parsed_row("1, two")
