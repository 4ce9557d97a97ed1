"""Neighbours: cosines against scikit-learn's, each from its own candidates, never the item itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import cosine_similarity

from keiki.pipeline.neighbours import nearest

X = np.random.default_rng(0).normal(loc=4.0, size=(60, 12))
EVERYONE = np.arange(60)


def test_the_nearest_are_those_of_scikit_learn(moderated_scaler: type) -> None:
    expected = cosine_similarity(moderated_scaler().fit_transform(X))
    np.fill_diagonal(expected, -2)
    for query, found in zip([3, 17], nearest(X, [3, 17], [EVERYONE, EVERYONE]), strict=True):
        assert [near.row for near in found] == np.argsort(-expected[query], kind="stable")[:3].tolist()
        assert [near.similarity for near in found] == pytest.approx(np.sort(expected[query])[::-1][:3])


def test_sparse_rows_are_taken_as_they_are() -> None:
    x = np.where(np.random.default_rng(1).random((30, 40)) < 0.2, 1.0, 0.0)
    x[4] = 0  # a text without a single known term
    expected = cosine_similarity(x)
    [found, none] = nearest(csr_array(x), [2, 4], [np.arange(30), np.arange(30)])
    assert found[0].similarity == pytest.approx(np.sort(np.delete(expected[2], 2))[-1])
    assert all(near.row != 4 for near in found)
    assert none == ()


def test_only_its_own_candidates_count_and_never_the_item_itself() -> None:
    [found] = nearest(X, [5], [np.array([5, 7, 9])])
    assert sorted(near.row for near in found) == [7, 9]


def test_rows_that_are_all_alike_have_no_neighbours() -> None:
    assert nearest(np.ones((5, 3)), [0], [np.arange(5)]) == [()]


def test_nothing_asked_is_nothing_answered() -> None:
    assert nearest(X, [], []) == []
