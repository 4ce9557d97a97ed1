"""What the options of `keiki fit` become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keiki.cli.main import main
from keiki.core.errors import RequestError
from keiki.pipeline import fit as pipeline


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], None),
        (["--input", "subject"], "subject"),
        (["--input", "subject,message"], "subject,message"),
        (["--input", "subject", "--input", "message"], "subject,message"),
        (["--input", "subject", "--input", "subject"], "subject"),
    ],
)
def test_an_input_that_is_given_twice_means_both_columns(
    given: list[str], wanted: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def fit(_: object, **wishes: Any) -> None:
        asked.update(wishes)
        raise RequestError("Enough is known.")

    monkeypatch.setattr(pipeline, "fit", fit)
    assert main(["fit", str(tmp_path / "tickets.csv"), *given, "--near-copies", "apart"]) == 2
    assert (asked["input"], asked["near_copies"]) == (wanted, "apart")
