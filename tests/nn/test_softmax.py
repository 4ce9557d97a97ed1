"""Softmax and cross-entropy against SciPy."""

import numpy as np
from scipy.special import log_softmax as scipy_log_softmax
from scipy.special import softmax as scipy_softmax

from keiki.nn.softmax import cross_entropy_per_item, log_softmax, softmax

LOGITS = np.random.default_rng(0).normal(scale=50.0, size=(3, 20, 7))


def test_agrees_with_scipy():
    np.testing.assert_allclose(softmax(LOGITS), scipy_softmax(LOGITS, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(log_softmax(LOGITS), scipy_log_softmax(LOGITS, axis=-1), rtol=1e-12)


def test_huge_logits_stay_finite():
    huge = np.array([[1e30, -1e30, 0.0]], dtype=np.float32)
    assert softmax(huge).tolist() == [[1.0, 0.0, 0.0]]
    assert np.isfinite(log_softmax(huge)).all()


def test_cross_entropy_picks_the_item_s_own_class_on_any_leading_shape():
    labels = np.random.default_rng(1).integers(0, 7, 20)
    losses = cross_entropy_per_item(LOGITS, labels)
    assert losses.shape == (3, 20)
    assert losses[2, 5] == -log_softmax(LOGITS[2, 5])[labels[5]]
