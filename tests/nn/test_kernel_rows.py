"""Rows by their kernel: against the dense centred matrix written out."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix, random_array

import keiki.nn.kernel_rows as kernel_module
import keiki.nn.rows as rows_module
from keiki.nn.kernel_rows import kernel_rows

N_ITEMS, WIDTH, N_CLASSES = 30, 50, 3


def text(n_items=N_ITEMS, width=WIDTH):
    return csr_array(random_array((n_items, width), density=0.2, rng=np.random.default_rng(0), format="csr"))


def centred(matrix):
    return matrix.toarray() - matrix.toarray().mean(axis=0)


def pair(coefficients, matrix, bias):
    kernel = centred(matrix) @ centred(matrix).T
    return np.column_stack([coefficients, coefficients @ kernel, bias])


@pytest.fixture(params=["written out", "two products"])
def rows(request, monkeypatch):
    monkeypatch.setattr(kernel_module, "_LARGEST_KERNEL", N_ITEMS if request.param == "written out" else 0)
    monkeypatch.setattr(kernel_module, "_PRODUCT_GAIN", 1000)
    found = kernel_rows(text())
    assert len(found.factors) == (1 if request.param == "written out" else 2)
    return found


def test_a_gradient_is_its_coefficients_and_their_scores(rows):
    residual = np.random.default_rng(1).normal(size=(N_CLASSES, N_ITEMS))
    expected = pair(residual - residual.mean(axis=1, keepdims=True), text(), residual.sum(axis=1))
    np.testing.assert_allclose(rows.pull(residual), expected, atol=1e-12)


def test_inner_product_is_that_of_the_weights_and_the_bias(rows):
    rng = np.random.default_rng(1)
    (one, other), biases = rng.normal(size=(2, N_CLASSES, N_ITEMS)), rng.normal(size=(2, N_CLASSES))
    expected = np.vdot(one @ centred(text()), other @ centred(text())) + biases[0] @ biases[1]
    assert rows.dot(pair(one, text(), biases[0]), pair(other, text(), biases[1])) == pytest.approx(expected)


def test_gradient_foretells_the_change_of_the_loss(rows):
    rng = np.random.default_rng(1)
    residual, coefficients = rng.normal(size=(2, N_CLASSES, N_ITEMS))
    step = pair(coefficients, text(), rng.normal(size=N_CLASSES))
    assert rows.dot(rows.pull(residual), step) == pytest.approx(np.vdot(residual, rows.logits(step)))


def test_steps_begin_at_the_largest_eigenvalue(rows):
    expected = np.linalg.eigvalsh(centred(text()) @ centred(text()).T)[-1] / N_ITEMS
    assert expected * 0.7 < rows.values[0] <= expected * 1.001  # the power method comes from below
    assert (rows.values == rows.values[0]).all()


def test_long_rows_are_written_out_and_short_ones_multiplied():
    assert len(kernel_rows(text(20, 400)).factors) == 1  # 400 products for 1,600 values
    assert len(kernel_rows(text(400, 20)).factors) == 2  # 160,000 for 1,600


def test_a_kernel_longer_than_a_block_is_whole(monkeypatch):
    monkeypatch.setattr(kernel_module, "_PRODUCT_GAIN", 1000)
    matrix = text(300, 20)
    np.testing.assert_allclose(kernel_rows(matrix).factors[0], (matrix @ matrix.T).toarray(), atol=1e-12)


def test_large_features_are_multiplied_in_float32(monkeypatch):
    residual = np.random.default_rng(1).normal(size=(N_CLASSES, N_ITEMS))
    exact = kernel_rows(text()).pull(residual)
    monkeypatch.setattr(rows_module, "_FLOAT32_FROM", 0)
    short = kernel_rows(text())
    assert short.factors[0].dtype == np.float32
    assert short.pull(residual).dtype == np.float64
    np.testing.assert_allclose(short.pull(residual), exact, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_rows_that_are_all_alike_have_no_kernel(value):
    np.testing.assert_allclose(kernel_rows(csr_matrix(np.full((6, 4), value))).values, 0.0, atol=1e-15)
