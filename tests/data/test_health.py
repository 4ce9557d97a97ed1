"""A few broken items are listed; many stop the run."""

from __future__ import annotations

import pytest

from keiki.core.errors import DataError
from keiki.data.health import check, refuse_if_too_many
from keiki.data.task import Dataset, Items, Skipped

BROKEN = [Skipped(f"{i}.jpg", "truncated picture") for i in range(7)]


def test_a_few_are_let_pass() -> None:
    refuse_if_too_many(BROKEN[:2], 10)
    refuse_if_too_many([], 0)


def test_too_many_are_refused_with_names_reasons_and_the_share() -> None:
    with pytest.raises(DataError, match=r"7 of 20 .* 20% .*0.jpg: truncated picture; .*and 2 more") as caught:
        refuse_if_too_many(BROKEN, 20)
    assert caught.value.exit_code == 2


def test_files_that_were_never_meant_do_not_count() -> None:
    refuse_if_too_many([Skipped("a.xml", "not a picture (.xml)", foreign=True)] * 50, 51)


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(DataError, match="holds nothing"):
        check(Dataset("x", Items("text", (), (), ()), None, ()))
