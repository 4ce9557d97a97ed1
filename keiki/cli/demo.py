"""keiki demo"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from keiki.cli import output
from keiki.cli.progress import progress, resumable


def demo(
    texts: Annotated[bool, typer.Option("--texts", help="the names of the pictures instead of the pictures")] = False,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="run folder; default runs/NAME-1, -2, ...")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
) -> None:
    """Run the main job on the sample that is part of the package.

    588 emoji pictures in ten classes, variants of one thing kept together; with --texts their names.

    \b
    Examples:
      keiki demo
      keiki demo --texts
    """
    from keiki.pipeline.fit import fit

    with as_file(files("keiki") / "sample") as sample, progress(quiet) as listener, resumable() as folder:
        table = sample / ("texts.csv" if texts else "pictures.csv")
        column = "text" if texts else "file"
        done = fit(table, out=out, input=column, label="label", group="group", listeners=(folder, listener))
    for line in done.closing_lines():
        output.emit(line)
