"""Paired comparison of losses against SciPy: worse means a t statistic above 1."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from keiki.methods.paired import is_worse


@pytest.mark.parametrize("n", [2, 5, 40])
def test_worse_is_a_t_statistic_above_one(n: int) -> None:
    rng = np.random.default_rng(n)
    answers = []
    for _ in range(50):
        losses, others = rng.normal(0.3, 1, (2, n))
        answers.append(is_worse(losses, others))
        assert answers[-1] == (ttest_rel(losses, others).statistic > 1)
    assert 0 < sum(answers) < 50


def test_one_item_is_taken_at_its_word() -> None:
    assert is_worse(np.array([1.1]), np.array([1.0]))
    assert not is_worse(np.array([1.0]), np.array([1.0]))
