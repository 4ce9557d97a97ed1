"""The cross-validated path on sparse text: against scikit-learn and against the dense solver."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

import keiki.nn.kernel_rows as kernel_module
import keiki.nn.logistic_path as path_module
import keiki.nn.rows as rows_module
from keiki.nn.logistic import logistic_fit
from keiki.nn.logistic_path import cross_validate_logistic
from keiki.nn.softmax import cross_entropy_per_item, softmax

N_CLASSES = 4


def texts(n_items=80, width=150, terms=25, signal=0.3):
    """Rows of length 1 with words drawn from the class's own in a share `signal`, else from all; labels; folds."""
    rng = np.random.default_rng(width)
    labels = np.append(rng.integers(0, N_CLASSES, n_items - N_CLASSES), np.arange(N_CLASSES))
    own = rng.random((n_items, terms)) < signal
    words = np.where(own, rng.integers(0, 10, (n_items, terms)) * N_CLASSES + labels[:, None], 0)
    words = np.where(own, words, (width * rng.random((n_items, terms)) ** 2).astype(int))
    counts = np.stack([np.bincount(row, minlength=width) for row in words]).astype(np.float64)
    return csr_array(counts / np.linalg.norm(counts, axis=1, keepdims=True)), labels, rng.permutation(n_items) % 5


def objective(head, features, labels, penalty):
    return cross_entropy_per_item(head.logits(features), labels).mean() + penalty / 2 * (head.weight**2).sum()


@pytest.fixture(params=["written out", "two products"])
def product(request, monkeypatch):
    monkeypatch.setattr(kernel_module, "_PRODUCT_GAIN", 1000)
    monkeypatch.setattr(kernel_module, "_LARGEST_KERNEL", 10_000 if request.param == "written out" else 0)


@pytest.mark.usefixtures("product")
def test_held_out_probabilities_equal_scikit_learn_in_each_fold(monkeypatch):
    monkeypatch.setattr(path_module, "PATH_TOLERANCE", 1e-11)
    features, labels, fold_ids = texts()
    penalties = np.array([1e-2, 1e-3])
    result = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, penalties)
    for penalty, logits in zip(penalties, result.logits, strict=True):
        for fold in range(5):
            train, test = fold_ids != fold, fold_ids == fold
            model = LogisticRegression(C=1 / (penalty * train.sum()), tol=1e-10, max_iter=20_000)
            expected = model.fit(features[train], labels[train]).predict_proba(features[test])
            np.testing.assert_allclose(softmax(logits[test]), expected, atol=1e-4)


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("penalty", [1e-1, 1e-3, 1e-5])
def test_refitted_head_reaches_scikit_learn_s_optimum(penalty):
    features, labels, fold_ids = texts()
    ours = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, np.array([penalty])).head
    model = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-11, max_iter=20_000).fit(features, labels)
    losses = -np.log(model.predict_proba(features)[np.arange(len(labels)), labels])
    theirs = losses.mean() + penalty / 2 * (model.coef_**2).sum()
    assert objective(ours, features, labels, penalty) / theirs - 1 < 1e-6


@pytest.mark.parametrize("shape", [(80, 150), (200, 40)])
def test_dense_solver_gives_the_same_heads(shape, monkeypatch):
    monkeypatch.setattr(path_module, "PATH_TOLERANCE", 1e-11)
    features, labels, fold_ids = texts(*shape)
    result = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, np.array([1e-3]))
    dense = features.toarray()
    for fold in range(5):
        train, test = fold_ids != fold, fold_ids == fold
        head = logistic_fit(dense[train], labels[train], N_CLASSES, 1e-3)
        np.testing.assert_allclose(result.chosen_logits[test], head.logits(dense[test]), atol=1e-3)
    whole = logistic_fit(dense, labels, N_CLASSES, 1e-3)
    np.testing.assert_allclose(result.head.logits(features), whole.logits(dense), atol=1e-3)


@pytest.mark.parametrize("least", [0, 10**9])  # products in float32; in float64
def test_path_tolerance_keeps_mean_losses_to_a_thousandth(least, monkeypatch):
    features, labels, fold_ids = texts()
    monkeypatch.setattr(rows_module, "_FLOAT32_FROM", least)
    fast = cross_validate_logistic(features, labels, N_CLASSES, fold_ids)
    monkeypatch.setattr(rows_module, "_FLOAT32_FROM", 10**9)
    monkeypatch.setattr(path_module, "PATH_TOLERANCE", 1e-9)
    exact = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, fast.penalties)
    np.testing.assert_allclose(fast.mean_losses, exact.mean_losses, atol=1e-3)
    assert fast.chosen == exact.chosen


def test_float32_products_reach_the_same_optimum(monkeypatch):
    features, labels, fold_ids = texts()
    exact = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, np.array([1e-3])).head
    monkeypatch.setattr(rows_module, "_FLOAT32_FROM", 0)
    short = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, np.array([1e-3])).head
    assert objective(short, features, labels, 1e-3) / objective(exact, features, labels, 1e-3) - 1 < 1e-6


@pytest.mark.parametrize("signal", [0.1, 0.3, 0.8])
def test_walk_chooses_what_the_whole_grid_would(signal):
    features, labels, fold_ids = texts(200, signal=signal)
    walked = cross_validate_logistic(features, labels, N_CLASSES, fold_ids)
    grid = 10.0 ** (-0.5 * np.arange(path_module.GRID_STEPS))  # rows of length 1
    whole = cross_validate_logistic(features, labels, N_CLASSES, fold_ids, grid)
    assert walked.mean_losses[walked.chosen] < whole.mean_losses[whole.chosen] + 2e-3
    assert walked.penalty > 0.9 * whole.penalty
    assert len(walked.penalties) < 14


def test_units_of_the_features_do_not_matter():
    features, labels, fold_ids = texts()
    plain = cross_validate_logistic(features, labels, N_CLASSES, fold_ids)
    scaled = cross_validate_logistic(features * 1e3, labels, N_CLASSES, fold_ids)
    np.testing.assert_allclose(scaled.penalties, 1e6 * plain.penalties)
    np.testing.assert_allclose(softmax(plain.chosen_logits), softmax(scaled.chosen_logits), atol=1e-6)


def test_repeats_average_probabilities():
    features, labels, fold_ids = texts()
    other = np.random.default_rng(7).permutation(fold_ids)
    penalties = np.array([0.01])
    single = [cross_validate_logistic(features, labels, N_CLASSES, ids, penalties) for ids in (fold_ids, other)]
    both = cross_validate_logistic(features, labels, N_CLASSES, np.stack([fold_ids, other]), penalties)
    mean = (softmax(single[0].logits) + softmax(single[1].logits)) / 2
    np.testing.assert_allclose(softmax(both.logits), mean, atol=1e-9)


def test_folds_that_lack_a_class_give_finite_losses():
    features, labels, _ = texts()
    result = cross_validate_logistic(features, labels, N_CLASSES, labels)  # each fold is one class: never seen
    assert np.isfinite(result.losses).all()
    assert (result.logits.argmax(axis=2) != labels).all()


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_texts_that_are_all_alike_get_the_classes_shares(value):
    labels = np.arange(40) % 2
    alike = csr_array(np.full((40, 3), value))
    result = cross_validate_logistic(alike, labels, 2, np.arange(40) // 8)
    np.testing.assert_allclose(result.losses, np.log(2), atol=1e-3)
    np.testing.assert_allclose(result.head.weight, 0.0, atol=1e-9)


def test_same_input_gives_the_same_bits_and_leaves_it_alone():
    features, labels, fold_ids = texts()
    features.data.setflags(write=False)
    first, second = (cross_validate_logistic(features, labels, N_CLASSES, fold_ids) for _ in range(2))
    assert (first.logits == second.logits).all()
    assert (first.head.weight == second.head.weight).all()
