"""keiki fit DATA"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from keiki.cli import output
from keiki.cli.progress import progress
from keiki.core.errors import RequestError


def fit(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="a folder with a folder a class, or a table")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="run folder; default runs/NAME-1, -2, ...")] = None,
    column: Annotated[str | None, typer.Option("--input", metavar="COL", help="column with the texts or files")] = None,
    label: Annotated[str | None, typer.Option(metavar="COL", help="column with the classes")] = None,
    files: Annotated[Path | None, typer.Option(metavar="DIR", help="folder in which the files of a table lie")] = None,
    group: Annotated[str | None, typer.Option(metavar="COL", help="column whose equal values stay on one side")] = None,
    val: Annotated[
        str | None, typer.Option(metavar="DATA|SHARE", help="validation data, or a share such as 0.1")
    ] = None,
    test: Annotated[str | None, typer.Option(metavar="DATA|SHARE", help="test data, or a share such as 0.2")] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="see: keiki methods")] = "auto",
    backbone: Annotated[str, typer.Option(metavar="NAME", help="see: keiki backbones")] = "auto",
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="an option of the method; repeatable")
    ] = None,
    metric: Annotated[str, typer.Option(metavar="NAME", help="what the verdict is about")] = "accuracy",
    positive: Annotated[
        str | None, typer.Option(metavar="CLASS", help="the class that f1, precision, recall judge")
    ] = None,
    accuracy: Annotated[float, typer.Option(metavar="SHARE", help="wanted accuracy among accepted answers")] = 0.95,
    controls: Annotated[
        str, typer.Option(metavar="quick|full|none", help="models without pretraining to beat")
    ] = "quick",
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="such as 10m: fine-tuning is tried if it fits")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="of all randomness")] = 0,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="no picture or text in report and bundle")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the run in --out (default: the one cut last)")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print run.json instead of the closing lines")] = False,
) -> None:
    """Adapt a pretrained model to your data, with proof, report and artifact.

    DATA is a folder with one folder of pictures a class (with or without train/val/test above them), or a CSV, TSV or
    JSONL table with a column of texts or file names and a column of classes.

    \b
    Examples:
      keiki fit photos/
      keiki fit tickets.csv --input message --label team
      keiki fit scans.csv --files scans/ --group patient --metric macro_f1
      keiki fit photos/ --method lp-ft --set epochs=5
    """
    from keiki.pipeline import fit as pipeline

    if data is None and not resume:
        raise RequestError("fit needs DATA.", hint="Example: keiki fit photos/")
    folder = _Folder()
    with progress(quiet) as listener:
        try:
            if data is None or resume:
                done = pipeline.resume(out or data, listeners=(folder, listener))
            else:
                done = pipeline.fit(
                    data,
                    out=out,
                    input=column,
                    label=label,
                    files=files,
                    group=group,
                    val=val,
                    test=test,
                    method=method,
                    backbone=backbone,
                    options=options or (),
                    metric=metric,
                    positive=positive,
                    accuracy=accuracy,
                    controls=controls,
                    budget=budget,
                    seed=seed,
                    samples=not no_samples,
                    listeners=(folder, listener),
                )
        except KeyboardInterrupt:
            if folder.path:
                output.say(f"\nkeiki: nothing is lost; go on with: keiki fit --resume --out {shlex.quote(folder.path)}")
            raise
    if as_json:
        output.emit_json(done.summary)
        return
    for line in done.closing_lines():
        output.emit(line)


class _Folder:
    """Listens for the folder of the run, so that the way back into it can be said."""

    path = ""

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "run":
            self.path = event["folder"]
