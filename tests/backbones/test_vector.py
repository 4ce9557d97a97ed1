"""Features as they are: standardised by the rows that the backbone was fitted on, in all their digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from keiki.backbones.base import load
from keiki.core.errors import DataError, RequestError, UnreadableItem
from keiki.data.transforms.base import restore
from keiki.data.transforms.vector import VectorTransform

ROWS = np.random.default_rng(0).normal([0, 100, 2020, 5], [1, 30, 3, 0], size=(50, 4)).astype(np.float32)


def test_matrix_and_prepare_give_what_scikit_learn_gives():
    backbone = load("as-is").fitted(list(ROWS))
    expected = StandardScaler().fit_transform(ROWS.astype(np.float64))
    features = backbone.matrix(list(ROWS))
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_array_equal(np.stack([backbone.transform.prepare(row) for row in ROWS]), features)
    assert (features[:, 3] == 0).all()


def test_the_card_says_that_nothing_pretrained_is_known():
    empty, fitted = load("as-is"), load("as-is").fitted(list(ROWS))
    assert (empty.card.width, fitted.card.width) == (0, 4)
    assert empty.card.modality == "vector"
    assert not empty.card.pretrained
    assert empty.direct
    assert empty.card.digest != fitted.card.digest != load("as-is").fitted(list(ROWS[:9])).card.digest
    assert fitted.card == load("as-is").fitted(list(ROWS)).card


def test_before_fitting_it_says_what_to_do(tmp_path: Path):
    with pytest.raises(RequestError, match="knows no columns yet"):
        load("as-is").transforms()
    with pytest.raises(RequestError, match="no network to train"):
        load("as-is").module()
    fitted = load("as-is").fitted(list(ROWS))
    assert fitted.graph(fitted.transform, tmp_path) is None


def test_rows_of_different_width_are_named():
    backbone = load("as-is").fitted(list(ROWS))
    with pytest.raises(DataError, match="row 2 of 3 has 3 features"):
        backbone.matrix([ROWS[0], ROWS[1, :3], ROWS[2]])
    with pytest.raises(DataError, match="must have 4 features each, but row 1 of 1 has 5"):
        backbone.matrix([np.zeros(5, np.float32)])
    with pytest.raises(DataError, match="row 2 of 2"):
        load("as-is").fitted([ROWS[0], ROWS[1, :3]])
    assert backbone.matrix([]).shape == (0, 4)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (np.zeros(3), "3 features instead of 4"),
        (np.zeros((4, 1)), "not a row of numbers"),
        (np.array(["a"] * 4), "not a row of numbers"),
        ("a text", "not a row of numbers"),
        ([1, [2, 3], 4, 5], "not a row of numbers"),
        (np.array([1, 2, np.nan, 4]), "feature 3 of 4 is missing, infinite or too large"),
        (np.array([np.inf, 2, 3, 4]), "feature 1 of 4 is missing, infinite or too large"),
    ],
)
def test_what_is_no_such_row_has_a_reason(raw: object, reason: str):
    transform = VectorTransform.fit(list(ROWS))
    with pytest.raises(UnreadableItem, match=f"^{reason}$"):
        transform.prepare(raw)  # type: ignore[arg-type]


def test_lists_and_integers_are_rows_too():
    transform = VectorTransform.fit(list(ROWS))
    np.testing.assert_array_equal(transform.prepare([1, 2, 3, 4]), transform.prepare(np.array([1, 2, 3, 4])))  # type: ignore[arg-type]


def test_wide_numbers_keep_their_digits():
    """Seconds since 1970 differ in digits that float32 does not have; standardised in float64 they stay apart."""
    stamps = 1.7e9 + np.arange(10.0)[:, None]
    features = VectorTransform.fit(list(stamps)).matrix(list(stamps))
    assert len(np.unique(features)) == 10


def test_a_restored_transform_is_equal_bit_for_bit(tmp_path: Path):
    import json

    transform = VectorTransform.fit(list(ROWS))
    again = restore(json.loads(json.dumps(transform.to_json())), tmp_path)
    assert again == transform
    np.testing.assert_array_equal(again.prepare(ROWS[7]), transform.prepare(ROWS[7]))
