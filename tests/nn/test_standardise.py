"""Standardisation against a slow witness and scikit-learn, and what it does to awkward columns."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler

from keiki.nn.standardise import Standardiser

FEATURES = np.random.default_rng(0).normal(3.0, 5.0, (5000, 7)).astype(np.float32)  # more than two blocks


def test_agrees_with_the_witness(moderated_scaler):
    ours, theirs = Standardiser.fit(FEATURES), moderated_scaler().fit(FEATURES)
    np.testing.assert_allclose(ours.mean, theirs.means, rtol=1e-12)
    np.testing.assert_allclose(ours.scale, theirs.scales, rtol=1e-12)
    np.testing.assert_allclose(ours.apply(FEATURES), theirs.transform(FEATURES), rtol=1e-9, atol=1e-12)


def test_with_many_items_it_is_scikit_learns_standard_scaler():
    many = np.tile(FEATURES, (200, 1))
    np.testing.assert_allclose(Standardiser.fit(many).scale, StandardScaler().fit(many).scale_, rtol=1e-6)


def test_a_column_that_hardly_varied_among_few_items_does_not_shoot_off():
    seen = np.random.default_rng(0).normal(size=(20, 50))
    seen[:, 7] = 0.0
    seen[3, 7] = 1e-4  # a channel that nearly always is 0, and 1 on a new item
    new = np.zeros((1, 50))
    new[0, 7] = 1.0
    assert abs(Standardiser.fit(seen).apply(new)[0, 7]) < 4
    assert abs(StandardScaler().fit(seen).transform(new)[0, 7]) > 10_000


def test_chosen_rows_alone_count():
    rows = np.array([4, 4000, 17])
    np.testing.assert_allclose(Standardiser.fit(FEATURES, rows).mean, FEATURES[rows].mean(axis=0), rtol=1e-6)


def test_columns_that_are_all_constant_get_scale_1_whatever_their_size():
    constants = np.tile(np.array([0.0, 0.1, 1e6, -1e-20], dtype=np.float32), (1000, 1))
    standardiser = Standardiser.fit(constants)
    assert standardiser.scale.tolist() == [1.0] * 4
    assert np.abs(standardiser.apply(constants)).max() < 1e-9


@pytest.mark.parametrize("unit", [1e30, 1e-30])
def test_extreme_units_neither_overflow_nor_matter(unit):
    wide = np.array([[1.0, -1.0], [-1.0, 1.0]]) * unit
    np.testing.assert_allclose(Standardiser.fit(wide).apply(wide), [[1.0, -1.0], [-1.0, 1.0]], rtol=1e-6)


def test_a_read_only_memory_map_is_read_and_left_alone(tmp_path):
    np.save(tmp_path / "features.npy", FEATURES)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    Standardiser.fit(mapped).apply(mapped)
    assert (np.load(tmp_path / "features.npy") == FEATURES).all()


def test_sparse_features_are_left_as_they_are():
    standardiser = Standardiser.fit(csr_array(np.eye(3)))
    assert standardiser.mean.tolist() == [0.0] * 3
    assert standardiser.scale.tolist() == [1.0] * 3
