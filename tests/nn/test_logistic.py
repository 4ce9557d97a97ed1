"""The logistic optimum against scikit-learn's at the same objective."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

import keiki.nn.logistic as logistic
import keiki.nn.rows as rows_module
from keiki.core.errors import DataError, OptionError
from keiki.nn.linear import LinearHead
from keiki.nn.logistic import logistic_fit
from keiki.nn.softmax import cross_entropy_per_item, softmax

SHAPES = [(60, 150, 5), (300, 12, 4), (40, 3, 2)]


def problem(n_items: int, width: int, n_classes: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(width)
    labels = np.append(rng.integers(0, n_classes, n_items - n_classes), np.arange(n_classes))
    features = rng.normal(size=(n_classes, width))[labels] * 0.5 + rng.normal(size=(n_items, width)) * spread
    return features.astype(np.float32), labels


def objective(head: LinearHead, features, labels, penalty, weight=None) -> float:
    losses = cross_entropy_per_item(head.logits(features), labels)
    return float(np.average(losses, weights=weight) + penalty / 2 * (head.weight**2).sum())


def scikit_learn(features, labels, n_classes, penalty, weight=None) -> LinearHead:
    total = len(labels) if weight is None else weight.sum()
    model = LogisticRegression(C=1 / (penalty * total), tol=1e-11, max_iter=20_000)
    model.fit(features.astype(np.float64), labels, sample_weight=weight)
    weight, bias = model.coef_, model.intercept_
    if n_classes == 2:  # scikit-learn fits one logit w with |w|^2 / 2, we two with |w|^2 / 4
        weight, bias = np.vstack([-weight, weight]) / 2, np.append(-bias, bias) / 2
    return LinearHead(weight, bias)


@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize(("n_items", "width", "n_classes"), SHAPES[:2])
def test_reaches_scikit_learn_s_optimum(n_items, width, n_classes, penalty):
    features, labels = problem(n_items, width, n_classes)
    ours = logistic_fit(features, labels, n_classes, penalty)
    theirs = scikit_learn(features, labels, n_classes, penalty)
    gap = objective(ours, features, labels, penalty) / objective(theirs, features, labels, penalty) - 1
    assert gap < 1e-6
    np.testing.assert_allclose(softmax(ours.logits(features)), softmax(theirs.logits(features)), atol=1e-4)


def test_two_classes_are_the_binary_model_at_half_the_penalty():
    features, labels = problem(40, 3, 2)
    ours = logistic_fit(features, labels, 2, 0.2)
    theirs = scikit_learn(features, labels, 2, 0.1)
    np.testing.assert_allclose(softmax(ours.logits(features)), softmax(theirs.logits(features)), atol=1e-4)


def test_item_weights_count_like_repeated_items():
    features, labels = problem(60, 150, 5)
    weight = np.random.default_rng(0).integers(0, 4, 60).astype(np.float64)
    repeated = np.repeat(np.arange(60), weight.astype(int))
    weighted = logistic_fit(features, labels, 5, 0.01, sample_weight=weight)
    copied = logistic_fit(features[repeated], labels[repeated], 5, 0.01)
    np.testing.assert_allclose(softmax(weighted.logits(features)), softmax(copied.logits(features)), atol=1e-4)


@pytest.mark.parametrize(("n_items", "width", "n_classes"), SHAPES)
def test_any_start_ends_at_the_same_optimum(n_items, width, n_classes):
    features, labels = problem(n_items, width, n_classes)
    rng = np.random.default_rng(0)
    start = LinearHead(rng.normal(size=(n_classes, width)), rng.normal(size=n_classes))
    cold = logistic_fit(features, labels, n_classes, 0.01)
    warm = logistic_fit(features, labels, n_classes, 0.01, start=start)
    np.testing.assert_allclose(softmax(warm.logits(features)), softmax(cold.logits(features)), atol=1e-4)


@pytest.mark.parametrize("side", [2048, 10])  # through the kernel; directly on the sparse matrix
def test_sparse_features_give_the_dense_answer(side, monkeypatch):
    monkeypatch.setattr(logistic, "LARGEST_SIDE", side)
    features, labels = problem(60, 150, 5)
    features[np.abs(features) < 0.8] = 0.0
    sparse = logistic_fit(csr_array(features), labels, 5, 0.01)
    dense = scikit_learn(features, labels, 5, 0.01)
    assert objective(sparse, features, labels, 0.01) / objective(dense, features, labels, 0.01) - 1 < 1e-6
    np.testing.assert_allclose(softmax(sparse.logits(features)), softmax(dense.logits(features)), atol=1e-4)


def test_float32_rows_reach_the_same_optimum(monkeypatch):
    features, labels = problem(300, 12, 4)
    exact = logistic_fit(features, labels, 4, 1e-3)
    monkeypatch.setattr(rows_module, "_FLOAT32_FROM", 0)
    short = logistic_fit(features, labels, 4, 1e-3)
    assert objective(short, features, labels, 1e-3) / objective(exact, features, labels, 1e-3) - 1 < 1e-6


def test_a_class_without_items_gets_half_an_item_s_probability():
    features, labels = problem(40, 3, 2)
    head = logistic_fit(features, np.where(labels == 1, 3, 0), 5, 0.1)
    average = softmax(head.logits(features.mean(axis=0, keepdims=True)))[0]
    assert (head.weight[[1, 2, 4]] == 0).all()
    np.testing.assert_allclose(average[[1, 2, 4]], 1 / 80, rtol=0.1)  # 1 / (2 N), less what three such classes share


def test_a_single_class_is_predicted_without_a_fit():
    head = logistic_fit(np.arange(6.0)[:, None], np.full(6, 1), 3, 0.1)
    assert (head.weight == 0).all()
    assert head.logits(np.array([[1e9]])).argmax() == 1


def test_separable_classes_and_a_tiny_penalty_end():
    features = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    head = logistic_fit(features, np.array([0, 0, 1, 1]), 2, 1e-9)
    losses = cross_entropy_per_item(head.logits(features), np.array([0, 0, 1, 1]))
    assert losses.max() < 1e-4


def test_same_input_gives_the_same_bits_and_leaves_it_alone():
    features, labels = problem(60, 150, 5)
    features.setflags(write=False)
    first, second = (logistic_fit(features, labels, 5, 0.01) for _ in range(2))
    assert (first.weight == second.weight).all()
    assert (first.bias == second.bias).all()


def test_wrong_input_is_refused():
    features, labels = problem(40, 3, 2)
    with pytest.raises(DataError, match="one label for each row"):
        logistic_fit(features[:-1], labels, 2, 0.1)
    with pytest.raises(DataError, match=r"0\.\.0"):
        logistic_fit(features, labels, 1, 0.1)
    with pytest.raises(OptionError, match="above 0"):
        logistic_fit(features, labels, 2, 0.0)
    features[3, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        logistic_fit(features, labels, 2, 0.1)
