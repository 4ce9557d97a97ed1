"""keiki report RUN"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keiki.cli import output
from keiki.core.errors import BundleError


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Rebuild report.html of a run from its report.json.

    \b
    Example:
      keiki report runs/last
    """
    from keiki.artifacts.bundle import followed
    from keiki.core.files import read_json, write_text
    from keiki.evaluation.report.page import render

    folder = followed(run)
    source = folder / "report.json"
    if not source.is_file():
        raise BundleError(f"'{run}' holds no report.json.", hint="Name the folder that 'keiki fit' wrote.")
    try:
        content = read_json(source)
    except ValueError as error:
        raise BundleError(f"'{source}' is damaged: it is not JSON.", hint="Fit again, or restore the file.") from error
    page = write_text(folder / "report.html", render(content))
    if as_json:
        output.emit_json({"report": str(page)})
    else:
        output.emit(f"report: {page}")
