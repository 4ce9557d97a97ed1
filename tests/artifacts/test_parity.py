"""Parity is judged strictly."""

from collections.abc import Sequence

import numpy as np
import pytest

from keiki.artifacts.parity import certify
from keiki.core.errors import ParityError

LOGITS = np.random.default_rng(0).normal(size=(11, 4))


def test_all_three_batch_sizes_are_run() -> None:
    sizes: list[int] = []

    def run(at: Sequence[int]) -> np.ndarray:
        sizes.append(len(at))
        return LOGITS[list(at)]

    assert certify(LOGITS, run, "x").batch_sizes == (1, 3, 11)
    assert sizes == [1, 1, 1, 1, 3, 3, 3, 11]


@pytest.mark.parametrize("batch", [1, 3, 11])
def test_a_difference_in_one_batch_size_alone_is_found(batch: int) -> None:
    with pytest.raises(ParityError, match=r"0\.00021"):
        certify(LOGITS, lambda at: LOGITS[list(at)] + (2.1e-4 if len(at) == batch else 0), "x")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_no_parity(value: float) -> None:
    with pytest.raises(ParityError):
        certify(LOGITS, lambda at: np.full((len(at), 4), value), "x")


def test_another_shape_is_no_parity() -> None:
    with pytest.raises(ParityError, match="shape"):
        certify(LOGITS, lambda at: LOGITS[list(at), :3], "x")


def test_no_witness_is_no_parity() -> None:
    with pytest.raises(ParityError, match="no items"):
        certify(LOGITS[:0], lambda at: LOGITS[list(at)], "x")


def test_a_tie_may_be_broken_either_way() -> None:
    tie = np.array([[1.0, 1.0 + 1e-6]])
    assert certify(tie, lambda at: tie[:, ::-1], "x").same_top_class
