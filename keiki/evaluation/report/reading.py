"""Reading report.json back: what is missing, unknown, of the wrong type or not safe to show is named by its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keiki.core.errors import BundleError
from keiki.evaluation.report.schema import SCHEMA, Report

PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,")


def from_json(content: Mapping[str, Any]) -> Report:
    """The report in `content`; a missing key, an unknown one or a wrong type is a BundleError that names the place."""
    import pydantic

    found = content.get("schema")
    if found != SCHEMA:
        raise BundleError(
            f"report.json has schema {found!r}, this version reads schema {SCHEMA}.",
            hint="Render it with the version of keiki that wrote it, or fit again.",
        )
    try:
        report = pydantic.TypeAdapter(Report).validate_python(dict(content))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise _damaged(".".join(str(step) for step in first["loc"]), first["msg"]) from error
    _check_classes(report)
    _check_thumbnails(report)
    return report


def _check_classes(report: Report) -> None:
    n_classes = len(report.task.classes)
    for cell in report.confusion:
        for index in (cell.true, cell.predicted):
            if not 0 <= index < n_classes:
                raise _damaged("confusion", f"there is no class {index} among {n_classes}")


def _check_thumbnails(report: Report) -> None:
    """A thumbnail is a picture inside the file itself, so that the page loads nothing and runs nothing."""
    for mistake in report.mistakes:
        if mistake.thumbnail and not mistake.thumbnail.startswith(PICTURES):
            raise _damaged("mistakes", f"the thumbnail of '{mistake.id}' is no PNG, JPEG or WebP picture")


def _damaged(place: str, what: str) -> BundleError:
    return BundleError(f"report.json is damaged at '{place}': {what}.", hint="Fit again, or restore the file.")
