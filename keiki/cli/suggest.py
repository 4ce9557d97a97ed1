"""keiki suggest RUN POOL"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiki.cli import output
from keiki.cli.progress import progress

if TYPE_CHECKING:
    from keiki.pipeline.suggest import Suggested

SHOWN = 5


def suggest(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder or a bundle folder")],
    pool: Annotated[Path, typer.Argument(metavar="POOL", help="unlabelled items: a folder, a table or a zip")],
    number: Annotated[int, typer.Option("-n", "--number", metavar="N", help="how many items to suggest")] = 50,
    by: Annotated[str, typer.Option(metavar="mix|margin|entropy|coreset", help="how they are chosen")] = "mix",
    out: Annotated[Path, typer.Option(metavar="FILE", help="write the table to this .csv file")] = Path("to-label.csv"),
    column: Annotated[
        str | None, typer.Option("--input", metavar="COL", help="column of a table with the input")
    ] = None,
    files: Annotated[Path | None, typer.Option(metavar="DIR", help="folder in which the files of a table lie")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="of the clusters")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Say which unlabelled items to label next, as a table to fill in.

    Items that the run has seen, and copies, are left out and counted. The table has an empty column 'label' beside the
    model's own suggestion; when labels stand in it, `keiki fit DATA --add FILE` trains on them too. Rows that stay
    empty are left out. How to choose: mix, one of each kind of uncertain ones; margin and entropy, the most uncertain;
    coreset, the most different.

    \b
    Examples:
      keiki suggest runs/last new-photos/ -n 50 --out to-label.csv
      keiki suggest runs/last tickets-of-may.csv --input message --by margin
    """
    from keiki.core.record import Record
    from keiki.data.sources.base import Request
    from keiki.pipeline import suggest as pipeline
    from keiki.pipeline import worklist

    worklist.check_place(out)
    request = Request(input=column, files=files)
    with progress(quiet) as listener:
        record = Record(listeners=(listener,))
        found = pipeline.suggest(
            run,
            pool,
            number,
            by=by,
            request=request,
            seed=seed,
            progress=lambda done, total: record.progress("pool", done, total),
        )
    worklist.write(out, found.items, found.modality, pool, request)
    if as_json:
        output.emit_json({"run": str(run), "out": str(out), **found.to_json()})
    else:
        _say(found, out)


def _say(found: Suggested, out: Path) -> None:
    for note in found.notes:
        output.say(f"keiki: {note}")
    reasons = {
        "seen in training": found.seen,
        "in its test set": found.judged,
        "copies": found.copies,
        "unreadable": found.unreadable,
    }
    left = ", ".join(f"{n} {reason}" for reason, n in reasons.items() if n)
    rows = [(each.id, each.label, f"{each.probability:.2f}", each.why) for each in found.items[:SHOWN]]
    output.emit_table(("item", "suggested label", "probability", "why"), rows)
    if len(found.items) > SHOWN:
        output.emit(f"and {len(found.items) - SHOWN} more")
    gone = f" (left out: {left})" if left else ""
    output.emit(f"\n{len(found.items)} of {found.pool} items of the pool: {out}{gone}")
    output.emit(f"next:  fill in the column 'label', then  {found.command} --add {shlex.quote(str(out))}")
