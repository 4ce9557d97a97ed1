"""Reading report.json back: what is missing, unknown, of the wrong type or not safe to show is named by its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
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
    _check_drawings(report)
    return report


def _check_classes(report: Report) -> None:
    n_classes = len(report.task.classes)
    for cell in report.confusion:
        for index in (cell.true, cell.predicted):
            if not 0 <= index < n_classes:
                raise _damaged("confusion", f"there is no class {index} among {n_classes}")


def _check_thumbnails(report: Report) -> None:
    """A thumbnail is a picture inside the file itself, so that the page loads nothing and runs nothing."""
    for name, thumbnail in _thumbnails(report):
        if not thumbnail.startswith(PICTURES):
            raise _damaged("thumbnail", f"the thumbnail of '{name}' is no PNG, JPEG or WebP picture")


def _thumbnails(part: object) -> Iterator[tuple[str, str]]:
    """Every thumbnail in a part and its parts, with the name of its item."""
    if isinstance(part, tuple):
        for each in part:
            yield from _thumbnails(each)
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.name == "thumbnail" and value is not None:
                yield str(getattr(part, "id", "")), str(value)
            else:
                yield from _thumbnails(value)


def _check_drawings(report: Report) -> None:
    """What charts are drawn from has the sizes that they need."""
    for mistake in report.mistakes:
        heat = mistake.why.heat if mistake.why else None
        if heat and (len(heat.drops) != heat.rows * heat.columns or min(heat.rows, heat.width, heat.height) < 1):
            raise _damaged("mistakes", f"the heat map of '{mistake.id}' is not {heat.rows} by {heat.columns}")
    found, n_classes = report.map, len(report.task.classes)
    if found is not None:
        columns = (found.x, found.y, found.true, found.said, *((found.ids,) if found.ids else ()))
        if len({len(column) for column in columns}) > 1:
            raise _damaged("map", "its columns differ in length")
        if any(not 0 <= c < n_classes for c in (*found.true, *found.said)):
            raise _damaged("map", f"it names a class that is not among the {n_classes}")
    curve = report.learning
    if curve is not None and (not curve.points or min(p.n for p in (*curve.points, *curve.trend)) < 1):
        raise _damaged("learning", "a learning curve needs points, each of one label or more")
    if report.risk is not None and not report.risk.points:
        raise _damaged("risk", "a curve needs points")


def _damaged(place: str, what: str) -> BundleError:
    return BundleError(f"report.json is damaged at '{place}': {what}.", hint="Fit again, or restore the file.")
