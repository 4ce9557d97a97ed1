"""The linear head: blocks, sparse features and the standardiser folded in."""

import numpy as np
from scipy.sparse import csr_array

from keiki.nn.linear import LinearHead
from keiki.nn.standardise import Standardiser

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(100.0, 3.0, (5000, 6)).astype(np.float32)
HEAD = LinearHead(RNG.normal(size=(4, 6)), RNG.normal(size=4))


def test_logits_are_weight_times_features_plus_bias():
    expected = FEATURES.astype(np.float64) @ HEAD.weight.T + HEAD.bias
    np.testing.assert_allclose(HEAD.logits(FEATURES), expected, rtol=1e-12)


def test_sparse_and_dense_features_get_the_same_logits():
    some = np.where(RNG.random((50, 6)) < 0.3, 1.5, 0.0)
    np.testing.assert_allclose(HEAD.logits(csr_array(some)), HEAD.logits(some), rtol=1e-12)


def test_folded_head_on_raw_features_equals_head_on_standardised_ones():
    standardiser = Standardiser.fit(FEATURES)
    folded = HEAD.fold_in(standardiser).logits(FEATURES)
    np.testing.assert_allclose(folded, HEAD.logits(standardiser.apply(FEATURES)), rtol=1e-9, atol=1e-9)
