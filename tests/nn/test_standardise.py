"""Standardisation against scikit-learn, and what it does to awkward columns."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler

from keiki.nn.standardise import Standardiser

FEATURES = np.random.default_rng(0).normal(3.0, 5.0, (5000, 7)).astype(np.float32)  # more than two blocks


def test_agrees_with_scikit_learn():
    ours = Standardiser.fit(FEATURES)
    theirs = StandardScaler().fit(FEATURES.astype(np.float64))
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.scale, theirs.scale_, rtol=1e-12)
    np.testing.assert_allclose(
        ours.apply(FEATURES), theirs.transform(FEATURES.astype(np.float64)), rtol=1e-9, atol=1e-12
    )


def test_chosen_rows_alone_count():
    rows = np.array([4, 4000, 17])
    np.testing.assert_allclose(Standardiser.fit(FEATURES, rows).mean, FEATURES[rows].mean(axis=0), rtol=1e-6)


def test_constant_columns_get_scale_1_whatever_their_size():
    constants = np.tile(np.array([0.0, 0.1, 1e6, -1e-20], dtype=np.float32), (1000, 1))
    standardiser = Standardiser.fit(constants)
    assert standardiser.scale.tolist() == [1.0] * 4
    assert np.abs(standardiser.apply(constants)).max() < 1e-9


def test_extreme_scales_do_not_overflow():
    wide = np.array([[1e30, 1e-30], [-1e30, 3e-30]], dtype=np.float32)
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
