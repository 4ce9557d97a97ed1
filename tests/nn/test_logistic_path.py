"""The cross-validated path: against scikit-learn in each fold, and on awkward data."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import keiki.nn.logistic_path as path_module
from keiki.core.errors import DataError
from keiki.nn.logistic import logistic_fit
from keiki.nn.logistic_path import cross_validate_logistic, one_standard_error
from keiki.nn.softmax import cross_entropy_per_item, softmax
from keiki.nn.standardise import Standardiser

FEWER_ROWS, MORE_ROWS = (60, 150, 4), (300, 12, 4)


def problem(n_items, width, n_classes, gap=0.5):
    rng = np.random.default_rng(width)
    labels = np.append(rng.integers(0, n_classes, n_items - n_classes), np.arange(n_classes))
    features = gap * rng.normal(size=(n_classes, width))[labels] + rng.normal(size=(n_items, width))
    scales = rng.uniform(0.1, 50.0, width)
    return (features * scales + 3 * scales).astype(np.float32), labels, rng.permutation(n_items) % 5


def reference_probabilities(features, labels, n_classes, fold_ids, penalty, scaler):
    found = np.empty((len(labels), n_classes))
    for fold in np.unique(fold_ids):
        train, test = fold_ids != fold, fold_ids == fold
        logistic = LogisticRegression(C=1 / (penalty * train.sum()), tol=1e-10, max_iter=20_000)
        model = make_pipeline(scaler(), logistic).fit(features[train].astype(np.float64), labels[train])
        found[test] = model.predict_proba(features[test])
    return found


@pytest.mark.parametrize("shape", [FEWER_ROWS, MORE_ROWS])
def test_held_out_probabilities_equal_scikit_learn_in_each_fold(shape, monkeypatch, moderated_scaler):
    monkeypatch.setattr(path_module, "PATH_TOLERANCE", 1e-11)
    features, labels, fold_ids = problem(*shape)
    penalties = np.array([1.0, 0.03])
    result = cross_validate_logistic(features, labels, shape[2], fold_ids, penalties)
    for penalty, logits in zip(penalties, result.logits, strict=True):
        expected = reference_probabilities(features, labels, shape[2], fold_ids, penalty, moderated_scaler)
        np.testing.assert_allclose(softmax(logits), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [FEWER_ROWS, MORE_ROWS])
def test_path_tolerance_keeps_mean_losses_to_a_thousandth(shape, monkeypatch):
    features, labels, fold_ids = problem(*shape)
    fast = cross_validate_logistic(features, labels, shape[2], fold_ids)
    monkeypatch.setattr(path_module, "PATH_TOLERANCE", 1e-11)
    exact = cross_validate_logistic(features, labels, shape[2], fold_ids, fast.penalties)
    np.testing.assert_allclose(fast.mean_losses, exact.mean_losses, atol=1e-3)
    assert fast.chosen == exact.chosen


@pytest.mark.parametrize("shape", [FEWER_ROWS, MORE_ROWS])
def test_refitted_head_is_the_optimum_on_all_rows(shape):
    features, labels, fold_ids = problem(*shape)
    result = cross_validate_logistic(features, labels, shape[2], fold_ids)
    standardiser = Standardiser.fit(features)
    direct = logistic_fit(standardiser.apply(features), labels, shape[2], result.penalty).fold_in(standardiser)
    np.testing.assert_allclose(softmax(result.head.logits(features)), softmax(direct.logits(features)), atol=1e-4)


@pytest.mark.parametrize("gap", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("shape", [FEWER_ROWS, MORE_ROWS])
def test_walk_chooses_what_the_whole_grid_would(shape, gap, moderated_scaler):
    features, labels, fold_ids = problem(*shape, gap=gap)
    walked = cross_validate_logistic(features, labels, shape[2], fold_ids)
    first = moderated_scaler().fit_transform(features[fold_ids != 0])
    grid = np.square(first).sum(axis=1).mean() * 10.0 ** (-0.5 * np.arange(path_module.GRID_STEPS))
    whole = cross_validate_logistic(features, labels, shape[2], fold_ids, grid)
    assert walked.mean_losses[walked.chosen] < whole.mean_losses[whole.chosen] + 2e-3
    assert walked.penalty > 0.9 * whole.penalty  # never weaker than the rule allows over the whole grid
    assert len(walked.penalties) < 14


def test_one_standard_error_is_of_the_paired_difference():
    rng = np.random.default_rng(0)
    hard = rng.exponential(2.0, 400)  # items differ widely, penalties hardly: unpaired errors would hide the difference
    losses = np.stack([hard + 0.05 + 0.01 * rng.normal(size=400), hard])
    assert one_standard_error(losses) == 1
    assert one_standard_error(np.stack([hard, hard])) == 0


def test_repeats_average_probabilities():
    features, labels, fold_ids = problem(*FEWER_ROWS)
    other = np.random.default_rng(7).permutation(fold_ids)
    penalties = np.array([0.1])
    single = [cross_validate_logistic(features, labels, 4, ids, penalties) for ids in (fold_ids, other)]
    both = cross_validate_logistic(features, labels, 4, np.stack([fold_ids, other]), penalties)
    mean = (softmax(single[0].logits) + softmax(single[1].logits)) / 2
    np.testing.assert_allclose(softmax(both.logits), mean, atol=1e-9)
    np.testing.assert_allclose(both.losses, cross_entropy_per_item(both.logits, labels), rtol=1e-12)


def test_six_items_are_enough():
    features = np.random.default_rng(0).normal(size=(6, 20))
    result = cross_validate_logistic(features, np.array([0, 1] * 3), 2, np.array([0, 0, 1, 1, 2, 2]))
    assert np.isfinite(result.logits).all()
    assert np.isfinite(result.head.weight).all()


@pytest.mark.parametrize("shape", [(30, 50, 3), (60, 4, 3)])
def test_folds_that_lack_a_class_give_finite_losses(shape):
    features, labels, _ = problem(*shape)
    result = cross_validate_logistic(features, labels, 3, labels)  # each fold is one class: never seen in training
    assert np.isfinite(result.losses).all()
    assert (result.logits.argmax(axis=2) != labels).all()
    assert result.mean_losses.min() > np.log(2)


def test_one_feature_constant_features_and_nothing_but_constants():
    labels, fold_ids = np.arange(40) % 2, np.arange(40) // 8
    signal = (labels + 0.1 * np.random.default_rng(0).normal(size=40))[:, None].astype(np.float32)
    constants = np.full((40, 3), 0.7, dtype=np.float32)
    alone = cross_validate_logistic(signal, labels, 2, fold_ids)
    beside = cross_validate_logistic(np.hstack([signal, constants]), labels, 2, fold_ids)
    nothing = cross_validate_logistic(constants, labels, 2, fold_ids)
    assert (alone.chosen_logits.argmax(axis=1) == labels).all()
    np.testing.assert_allclose(beside.head.weight[:, 1:], 0.0, atol=1e-9)
    np.testing.assert_allclose(nothing.losses, np.log(2), atol=1e-3)


@pytest.mark.parametrize("shape", [FEWER_ROWS, MORE_ROWS])
@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_the_unit_that_all_features_share_does_not_matter(shape, unit):
    features, labels, fold_ids = problem(*shape)
    plain = cross_validate_logistic(features, labels, shape[2], fold_ids)
    scaled = cross_validate_logistic(features * unit, labels, shape[2], fold_ids)
    assert plain.chosen == scaled.chosen
    np.testing.assert_allclose(softmax(plain.chosen_logits), softmax(scaled.chosen_logits), atol=1e-3)


def test_separable_data_end_with_a_tiny_loss():
    features, labels, fold_ids = problem(*FEWER_ROWS, gap=20.0)
    result = cross_validate_logistic(features, labels, 4, fold_ids)
    assert result.mean_losses[result.chosen] < 0.01


def test_a_hundred_classes():
    features, labels, fold_ids = problem(300, 20, 100, gap=3.0)
    result = cross_validate_logistic(features, labels, 100, fold_ids, np.array([0.01]))
    assert (result.chosen_logits.argmax(axis=1) == labels).mean() > 0.4


def test_wide_and_long_features_go_without_axes(monkeypatch):
    features, labels, fold_ids = problem(*MORE_ROWS)
    usual = cross_validate_logistic(features, labels, 4, fold_ids)
    for module in ("axes", "folds", "logistic", "logistic_path"):
        monkeypatch.setattr(f"keiki.nn.{module}.LARGEST_SIDE", 5)
    direct = cross_validate_logistic(features, labels, 4, fold_ids, usual.penalties)
    np.testing.assert_allclose(direct.mean_losses, usual.mean_losses, atol=1e-3)


def test_same_input_gives_the_same_bits_and_leaves_it_alone():
    for shape in (FEWER_ROWS, MORE_ROWS):
        features, labels, fold_ids = problem(*shape)
        features.setflags(write=False)
        first, second = (cross_validate_logistic(features, labels, 4, fold_ids) for _ in range(2))
        assert (first.logits == second.logits).all()
        assert (first.head.weight == second.head.weight).all()


def test_wrong_folds_are_refused():
    features, labels, fold_ids = problem(*FEWER_ROWS)
    with pytest.raises(DataError, match="a fold for each item"):
        cross_validate_logistic(features, labels, 4, fold_ids[:-1])
    with pytest.raises(DataError, match="at least two folds"):
        cross_validate_logistic(features, labels, 4, np.zeros_like(fold_ids))


def test_neither_torch_nor_scikit_learn_nor_scipy_is_imported():
    code = (
        "import sys, numpy as np, keiki.nn.logistic_path as path\n"
        "path.cross_validate_logistic(np.eye(8), np.arange(8) % 2, 2, np.arange(8) // 2)\n"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'pandas') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_many_rows_that_are_fewer_than_columns_in_a_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many rows for row spaces of their own, yet too few in each fold to span the columns."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(30, 28)), np.arange(30) % 3
    features[:, 0] += 2 * labels
    folds = np.arange(30) // 3 % 5
    penalties = np.array([1.0, 0.1])
    own = cross_validate_logistic(features, labels, 3, folds, penalties)
    monkeypatch.setattr("keiki.nn.logistic_path.LARGEST_SIDE", 20)
    shared = cross_validate_logistic(features, labels, 3, folds, penalties)
    np.testing.assert_allclose(shared.mean_losses, own.mean_losses, atol=1e-3)
    np.testing.assert_allclose(shared.head.weight, own.head.weight, atol=1e-3)
