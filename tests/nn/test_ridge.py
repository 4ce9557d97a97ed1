"""The ridge path against scikit-learn's Ridge, fitted anew in each fold."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from keiki.core.errors import DataError
from keiki.nn.ridge import RidgePath, ridge_path

PENALTIES = np.array([1e-3, 0.1, 10.0])


def problem(n_items: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_items)
    features = (rng.normal(size=(n_items, width)) * rng.uniform(0.1, 10.0, width) + 20.0).astype(np.float32)
    return features, np.eye(3)[rng.integers(0, 3, n_items)], rng.permutation(n_items) % 4


def reference(features, targets, fold_ids, penalty, scaler):
    scores, features = np.empty_like(targets), features.astype(np.float64)
    for fold in np.unique(fold_ids):
        train, test = fold_ids != fold, fold_ids == fold
        model = make_pipeline(scaler(), Ridge(alpha=penalty * train.sum()))
        scores[test] = model.fit(features[train], targets[train]).predict(features[test])
    return scores


@pytest.mark.parametrize(
    ("n_items", "width"), [(40, 90), (300, 25), (26, 20)]
)  # fewer rows, more rows, fewer in training
def test_out_of_fold_scores_equal_ridge_fitted_in_each_fold(n_items, width, moderated_scaler):
    features, targets, fold_ids = problem(n_items, width)
    path = ridge_path(features, targets, PENALTIES, fold_ids)
    for penalty, scores in zip(PENALTIES, path.scores, strict=True):
        expected = reference(features, targets, fold_ids, penalty, moderated_scaler)
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-8)


def test_unequal_folds_and_a_column_constant_in_one_training_fold(moderated_scaler):
    features, targets, _ = problem(60, 5)
    fold_ids = np.repeat([0, 1, 2], [5, 20, 35])
    features[:, 2] = 7.0
    features[:5, 2] = 9.0  # varies only through rows of fold 0
    path = ridge_path(features, targets, PENALTIES, fold_ids)
    expected = reference(features, targets, fold_ids, 0.1, moderated_scaler)
    np.testing.assert_allclose(path.scores[1], expected, rtol=1e-6, atol=1e-8)


def test_squared_error_is_that_of_the_scores_and_ties_go_to_the_stronger():
    features, targets, fold_ids = problem(40, 90)
    path = ridge_path(features, targets, PENALTIES, fold_ids)
    np.testing.assert_allclose(path.squared_error, ((path.scores - targets) ** 2).mean(axis=(1, 2)))
    assert path.best == PENALTIES[path.squared_error.argmin()]
    assert RidgePath(PENALTIES, path.scores, np.array([0.2, 0.1, 0.1])).best == 10.0


def test_one_fold_is_refused():
    with pytest.raises(DataError, match="at least two folds"):
        ridge_path(np.eye(3), np.eye(3), PENALTIES, np.zeros(3, dtype=np.int64))
