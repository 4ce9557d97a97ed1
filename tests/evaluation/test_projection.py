"""The map: the same for the same features, true to neighbours, and plain where there is little to lay out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from keiki.evaluation.projection import kept, principal_coordinates, project


def test_principal_coordinates_are_those_of_scikit_learn() -> None:
    x = np.random.default_rng(0).normal(size=(40, 12)) * np.arange(1, 13)
    ours, theirs = principal_coordinates(x, 5), PCA(5).fit_transform(x)
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-8)
    sparse = principal_coordinates(csr_array(x), 5)
    assert sparse == pytest.approx(ours, abs=1e-8)


def test_items_that_are_all_alike_have_no_map() -> None:
    assert project(np.ones((40, 8)), seed=0) is None


def test_digits_keep_their_neighbourhoods() -> None:
    x, labels = load_digits(return_X_y=True)
    found = project(x[:300], seed=0)
    assert found is not None
    assert found.method == "t-SNE"
    low, high = found.points.min(axis=0), found.points.max(axis=0)
    assert (high - low).max() == pytest.approx(1)  # the wider side fills the square, and the other lies in its middle
    assert low + high == pytest.approx([1, 1])
    distances = np.square(found.points[:, None] - found.points).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(labels[:300][distances.argmin(axis=1)] == labels[:300]) > 0.85
    assert found.kept > 0.4


def test_the_same_features_give_the_same_map() -> None:
    x = load_digits().data[:120]
    one, other = project(x, seed=3), project(x, seed=3)
    assert one is not None
    assert other is not None
    assert np.array_equal(one.points, other.points)


def test_few_items_are_laid_out_by_their_principal_coordinates() -> None:
    x = np.random.default_rng(0).normal(size=(12, 6))
    found = project(x, seed=0)
    assert found is not None
    assert found.method == "PCA"


def test_one_dimension_lies_on_a_line() -> None:
    found = project(np.arange(50.0)[:, None], seed=0)
    assert found is not None
    assert found.points.shape == (50, 2)


def test_kept_counts_the_shared_neighbours() -> None:
    line = np.arange(30.0)[:, None]
    shuffled = np.random.default_rng(0).permutation(30).astype(float)[:, None]
    assert kept(line, -line) == 1.0
    assert kept(line, shuffled) < 0.6
    assert kept(line[:1], line[:1]) == 1.0
