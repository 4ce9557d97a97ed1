"""Distances to class Gaussians equal the slow formula with scikit-learn's shrunk covariance, in every shape of data."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf, ledoit_wolf_shrinkage

from keiki.nn import gaussians
from keiki.nn.gaussians import FEWEST, Gaussians, shrunk


def blobs(n: int, width: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes with means of their own, and columns of different size that hang together."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    mixing = rng.normal(size=(width, width)) / np.sqrt(width) + np.eye(width)
    x = (2 * rng.normal(size=(classes, width)))[labels] + rng.normal(size=(n, width)) @ mixing
    return x * np.exp(rng.normal(size=width)) + 3, labels


def slow(x: np.ndarray, labels: np.ndarray, new: np.ndarray, scaler: type) -> np.ndarray:
    """Item by item, class by class, with an explicit inverse."""
    fitted = scaler().fit(x)
    z, fresh = fitted.transform(x), fitted.transform(new)
    centres = np.stack([z[labels == c].mean(axis=0) for c in np.unique(labels)])
    inside = z - centres[np.searchsorted(np.unique(labels), labels)]
    inverse = np.linalg.inv(LedoitWolf(assume_centered=True).fit(inside).covariance_)
    return np.array([min((row - c) @ inverse @ (row - c) for c in centres) for row in fresh])


@pytest.mark.parametrize(("n", "width"), [(200, 7), (40, 30), (60, 90)])
def test_distances_are_those_of_the_slow_formula(n: int, width: int, moderated_scaler: type) -> None:
    x, labels = blobs(n, width, classes=4)
    new = np.concatenate([x[:9], x[:9] + 5])
    expected = slow(x, labels, new, moderated_scaler)
    np.testing.assert_allclose(Gaussians.fit(x, labels, unit=False).distances(new), expected, rtol=1e-8)


@pytest.mark.parametrize(("n", "width"), [(200, 7), (60, 90)])
def test_of_a_network_the_direction_counts(n: int, width: int) -> None:
    x, labels = blobs(n, width, classes=4)
    found = Gaussians.fit(x, labels, unit=True)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    centres = np.stack([u[labels == c].mean(axis=0) for c in range(4)])
    inverse = np.linalg.inv(LedoitWolf(assume_centered=True).fit(u - centres[labels]).covariance_)
    expected = [min((row - c) @ inverse @ (row - c) for c in centres) for row in u[:9]]
    np.testing.assert_allclose(found.distances(x[:9]), expected, rtol=1e-7)
    np.testing.assert_allclose(found.distances(7 * x[:9]), expected, rtol=1e-7)
    assert np.isfinite(found.distances(np.zeros((1, width)))).all()


def test_a_dead_unit_of_a_network_is_no_signal() -> None:
    """What varies by rounding alone on the training items would decide everything if columns were scaled."""
    x, labels = blobs(200, 7, classes=2)
    x[:, 3] = 1e-9 * np.random.default_rng(0).normal(size=200)
    found = Gaussians.fit(x, labels, unit=True)
    moved = x.copy()
    moved[:, 3] += 1e-7
    np.testing.assert_allclose(found.distances(moved), found.distances(x), rtol=1e-4)


@pytest.mark.parametrize(("n", "width"), [(300, 20), (20, 50)])
def test_the_shrunk_covariance_is_that_of_ledoit_and_wolf(n: int, width: int) -> None:
    rows = blobs(n, width, 1)[0] - 3
    expected = np.linalg.inv(LedoitWolf(assume_centered=True).fit(rows).covariance_)
    assert 0 < ledoit_wolf_shrinkage(rows, assume_centered=True) < 1
    np.testing.assert_allclose(shrunk(rows).times(np.eye(width)), expected, rtol=1e-7, atol=1e-9 * expected.max())


@pytest.mark.parametrize(("n", "width"), [(300, 20), (15, 40)])
def test_beyond_the_largest_axes_all_vary_alike(n: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussians, "MOST_AXES", 6)
    rows = blobs(n, width, 1)[0]
    rows -= rows.mean(axis=0)
    values, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(rows).covariance_)
    levelled = np.where(np.arange(width) < width - 6, values[:-6].mean(), values)
    found = shrunk(rows)
    assert found.axes.shape == (6, width)
    np.testing.assert_allclose(
        found.times(np.eye(width)), (vectors / levelled) @ vectors.T, rtol=1e-6, atol=1e-9 / found.level
    )
    new = np.random.default_rng(1).normal(size=(5, width))
    np.testing.assert_allclose(found.of(new), np.einsum("nd,nd->n", new, found.times(new)), rtol=1e-9)


def test_small_classes_have_no_mean_of_their_own() -> None:
    x, labels = blobs(60, 8, classes=3)
    labels[: FEWEST - 1] = 7  # a class of four
    found = Gaussians.fit(x, labels, unit=False)
    assert found.pull.shape == (4, 8)
    np.testing.assert_array_equal(found.pull[3], 0)  # theirs is the mean of all
    few = Gaussians.fit(x[:8], np.arange(8), unit=False)
    assert few.pull.shape == (1, 8)
    assert few.offset.tolist() == [0.0]


def test_numbers_of_classes_mean_nothing() -> None:
    x, labels = blobs(80, 5, classes=4)
    named = np.array([11, 3, 700, 5])[labels]
    np.testing.assert_allclose(
        Gaussians.fit(x, named, unit=False).distances(x), Gaussians.fit(x, labels, unit=False).distances(x)
    )


@pytest.mark.parametrize(
    "x",
    [np.ones((6, 3)), np.ones((1, 1)), np.arange(8.0)[:, None], np.repeat([[1.0, 2.0], [3.0, 4.0]], 5, axis=0)],
    ids=["constant", "one number", "one column", "copies"],
)
def test_poor_data_give_finite_distances(x: np.ndarray) -> None:
    assert np.isfinite(Gaussians.fit(x, np.zeros(len(x), dtype=int), unit=True).distances(x + 1)).all()
    found = Gaussians.fit(x, np.zeros(len(x), dtype=int), unit=False)
    near, far = found.distances(x[:1]), found.distances(x[:1] + 100)
    assert np.isfinite(near).all()
    assert near[0] < far[0] < np.inf


def test_very_many_items_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = blobs(900, 6, classes=3)
    exact = Gaussians.fit(x, labels, unit=False).distances(x)
    monkeypatch.setattr(gaussians, "MOST_ROWS", 450)
    sampled = Gaussians.fit(x, labels, unit=False)
    np.testing.assert_allclose(sampled.distances(x), exact, rtol=0.5)
    assert np.corrcoef(sampled.distances(x), exact)[0, 1] > 0.98


def test_float32_is_enough() -> None:
    x, labels = blobs(500, 40, classes=5)
    x[:, 1] = x[:, 0] * 2  # columns that say the same
    found = Gaussians.fit(x, labels, unit=False)
    rounded = found.distances(x.astype(np.float32))
    np.testing.assert_allclose(rounded, found.distances(x), rtol=1e-3)
