"""report.json: survives the round trip, and damage is named by its place."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from keiki.core.errors import BundleError
from keiki.evaluation.report.reading import from_json
from keiki.evaluation.report.schema import Report, to_json

Samples = dict[str, Callable[[], Report]]


def test_report_survives_json(sample: Report) -> None:
    assert from_json(json.loads(json.dumps(to_json(sample), allow_nan=False))) == sample


def test_a_missing_key_is_named(samples: Samples) -> None:
    content = to_json(samples["pictures"]())
    del content["headline"]["score"]["low"]
    with pytest.raises(BundleError, match=r"headline\.score\.low"):
        from_json(content)


def test_an_unknown_key_is_named(samples: Samples) -> None:
    content = to_json(samples["pictures"]())
    content["task"]["clases"] = []
    with pytest.raises(BundleError, match=r"task\.clases"):
        from_json(content)


def test_not_a_number_is_refused(samples: Samples) -> None:
    content = to_json(samples["pictures"]())
    content["headline"]["score"]["value"] = float("nan")
    with pytest.raises(BundleError, match=r"headline\.score\.value"):
        from_json(content)


def test_another_schema_is_refused_with_the_next_step(samples: Samples) -> None:
    content = to_json(samples["pictures"]()) | {"schema": 7}
    with pytest.raises(BundleError, match=r"schema 7, this version reads schema 1.*version of keiki that wrote it"):
        from_json(content)


@pytest.mark.parametrize(
    "thumbnail", ["javascript:alert(1)", "data:image/svg+xml;base64,AA", "https://example.org/a.png"]
)
def test_a_thumbnail_is_a_picture_in_the_file_itself(samples: Samples, thumbnail: str) -> None:
    content = to_json(samples["pictures"]())
    content["mistakes"][0]["thumbnail"] = thumbnail
    with pytest.raises(BundleError, match="thumbnail"):
        from_json(content)


def test_a_confusion_cell_outside_the_classes_is_refused(samples: Samples) -> None:
    content = to_json(samples["pictures"]())
    content["confusion"][0]["predicted"] = 99
    with pytest.raises(BundleError, match="no class 99 among 6"):
        from_json(content)
