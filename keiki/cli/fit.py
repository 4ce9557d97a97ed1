"""keiki fit DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keiki.cli import output
from keiki.cli.progress import progress, resumable
from keiki.core.errors import RequestError
from keiki.data.names import listing

GO_ON = {"data", "out", "resume", "quiet", "as_json"}  # what may stand beside --resume
FLAGS = {
    "columns": "input",
    "options": "set",
    "no_samples": "no-samples",
    "near_copies": "near-copies",
    "source": "from",
}  # names of options that differ from ours


def fit(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="a folder with a folder a class, or a table")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="run folder; default runs/NAME-1, -2, ...")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="COL[,COL]", help="column with the texts or files; several texts are joined"),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="COL", help="column with the classes")] = None,
    files: Annotated[Path | None, typer.Option(metavar="DIR", help="folder in which the files of a table lie")] = None,
    group: Annotated[str | None, typer.Option(metavar="COL", help="column whose equal values stay on one side")] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COL", help="column with times: the newest part is the test")
    ] = None,
    near_copies: Annotated[
        str, typer.Option(metavar="together|apart", help="whether near copies stay on one side, like groups")
    ] = "together",
    add: Annotated[
        str | None, typer.Option(metavar="DATA", help="further training data, such as newly labelled")
    ] = None,
    val: Annotated[
        str | None, typer.Option(metavar="DATA|SHARE", help="validation data, or a share such as 0.1")
    ] = None,
    test: Annotated[str | None, typer.Option(metavar="DATA|SHARE", help="test data, or a share such as 0.2")] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="see: keiki methods")] = "auto",
    backbone: Annotated[str, typer.Option(metavar="NAME", help="see: keiki backbones")] = "auto",
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN|BUNDLE|FILE", help="start from this model of your own, not a public one"),
    ] = None,
    old: Annotated[
        str | None, typer.Option(metavar="DATA", help="with --from: labelled data of its task: what is forgotten?")
    ] = None,
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
        str | None,
        typer.Option(metavar="TIME", help="such as 10m: training ends then with its best so far; anew on --resume"),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="what fine-tuning runs on: cpu, cuda, cuda:1")] = "cpu",
    seed: Annotated[int, typer.Option(metavar="N", help="of all randomness")] = 0,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="no picture or text in report and bundle")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the run in --out (default: the one cut last)")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done and what it would cost; train nothing")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print run.json instead of the closing lines")] = False,
) -> None:
    """Adapt a pretrained model to your data, with proof, report and artifact.

    DATA is a folder with one folder of pictures a class (with or without train/val/test above them) or with a
    metadata.csv, a zip of it, a table (CSV, TSV, JSON lines, Parquet, XLSX) with a column of texts or file names and a
    column of classes, or an .npz of features.

    \b
    Examples:
      keiki fit photos/
      keiki fit tickets.csv --input message --label team
      keiki fit scans/ --label finding --group patient --metric macro_f1 --dry-run
      keiki fit support.xlsx --time received
      keiki fit photos/ --method lp-ft --set epochs=5
      keiki fit new-photos/ --from runs/last --method lp-ft --old photos/
    """
    if resume:
        _refuse_wishes(context)
    elif data is None:
        raise RequestError("fit needs DATA.", hint="Example: keiki fit photos/")
    from keiki.pipeline import fit as pipeline

    wishes: dict[str, Any] = {
        "out": out,
        "input": ",".join(dict.fromkeys(columns)) if columns else None,
        "label": label,
        "files": files,
        "group": group,
        "time": time,
        "near_copies": near_copies,
        "add": add,
        "val": val,
        "test": test,
        "method": method,
        "backbone": backbone,
        "source": source,
        "old": old,
        "options": options or (),
        "metric": metric,
        "positive": positive,
        "accuracy": accuracy,
        "controls": controls,
        "budget": budget,
        "device": device,
        "seed": seed,
        "samples": not no_samples,
    }
    if dry_run:
        _preview(data, wishes, as_json)
        return
    with progress(quiet) as listener, resumable() as folder:
        if resume or data is None:
            done = pipeline.resume(out, listeners=(folder, listener), data=data)
        else:
            done = pipeline.fit(data, **wishes, listeners=(folder, listener))
    if as_json:
        output.emit_json(done.summary)
        return
    for line in done.closing_lines():
        output.emit(line)


def _preview(data: str | None, wishes: dict[str, Any], as_json: bool) -> None:
    from keiki.pipeline.fit import make_request
    from keiki.pipeline.preview import dry_run

    found = dry_run(make_request(data, **wishes))
    if as_json:
        output.emit_json(found.to_json())
        return
    for line in found.lines():
        output.emit(line)


def _refuse_wishes(context: typer.Context) -> None:
    """Raise where `--resume` stands beside an option that the cut run has its own answer to."""
    given = [name for name in context.params if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if wishes := set(given) - GO_ON:
        raise RequestError(
            f"--resume goes on with what was asked then; {listing(sorted(FLAGS.get(name, name) for name in wishes))} "
            "cannot be changed.",
            hint="Leave it out, or begin anew without --resume.",
        )
