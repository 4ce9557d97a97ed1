"""What the user asked, as plain values that survive JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from keiki.core.errors import OptionError, RequestError
from keiki.pipeline.request import FitRequest, place, place_or_share, seconds


def test_a_request_survives_json() -> None:
    asked = FitRequest(data="/data", options=("epochs=3", "batch_size=4"), test=0.2, budget=90.0, samples=False)
    assert FitRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked


def test_what_a_later_version_asked_is_left_out() -> None:
    assert FitRequest.from_json({"data": "/data", "colour": "blue"}) == FitRequest(data="/data")


def test_paths_are_absolute_and_links_stay_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "round").symlink_to("round")
    assert place("round") == str(tmp_path / "round")
    assert place("~nobody-knows-them/x").endswith("~nobody-knows-them/x")


def test_a_path_that_only_the_locale_cannot_read_is_told_from_one_that_nobody_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RequestError, match="holds bytes that are not UTF-8"):
        place("/data/caf\udce9")
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    with pytest.raises(
        RequestError, match="'/data/caf\u00e9' cannot be read as text, .* as ascii here. .*PYTHONUTF8=1"
    ):
        place("/data/caf\udcc3\udca9")


def test_a_share_is_a_number_and_everything_else_a_path() -> None:
    assert place_or_share("test", "0.2") == 0.2
    assert place_or_share("test", None) is None
    assert place_or_share("test", "/data/test") == "/data/test"
    for text in ("0", "1", "1.5", "-0.1", "nan"):
        with pytest.raises(OptionError, match="between 0 and 1"):
            place_or_share("test", text)


def test_times_have_units() -> None:
    assert [seconds(text) for text in ("90", "90s", "1.5m", "2h")] == [90, 90, 90, 7200]
    for text in ("", "s", "-1m", "0", "inf", "nan", "ten minutes"):
        with pytest.raises(OptionError, match="no time budget"):
            seconds(text)


@pytest.mark.parametrize("wrong", [{"controls": "some"}, {"near_copies": "some"}, {"accuracy": 0.3}, {"accuracy": 1.0}])
def test_wrong_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        FitRequest(data="/data", **wrong)  # type: ignore[arg-type]
