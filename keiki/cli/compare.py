"""keiki compare RUN RUN..."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiki.cli import output
from keiki.core.errors import RequestError

if TYPE_CHECKING:
    from keiki.evaluation.report.comparing import Comparison, Entry

PAGE = "compare.html"


def compare(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN RUN...", help="two run folders or more")] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="what is compared; default: the first run's metric")
    ] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="the class that this metric is about")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="only the items that every run was judged on")] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write the page there; default compare.html beside the first run"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="of the intervals' resampling")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object instead of the table")] = False,
) -> None:
    """Compare runs on the same items: which is better, and is it more than chance?

    Items are matched by their content and label. Runs that were judged on different items are refused; --shared takes
    the items that all were judged on. Every pair gets the paired difference with its interval and a p-value that is
    adjusted for the number of pairs. Everything stands on one page, compare.html.

    \b
    Examples:
      keiki compare runs/photos-1 runs/photos-2
      keiki compare runs/photos-* --metric log_loss --out comparison.html
    """
    if out is not None and (out.suffix.lower() not in (".html", ".htm") or out.is_dir()):
        raise RequestError(f"--out must name a file that ends in .html, but got '{out}'.")
    from datetime import datetime

    from keiki.core.files import write_text
    from keiki.evaluation.report import compare_page
    from keiki.pipeline.compare import compare

    found = compare(runs or [], metric=metric, positive=positive, shared=shared, seed=seed)
    page = out or _short(Path(found.runs[0].folder).parent) / PAGE
    write_text(page, compare_page.render(found, datetime.now().astimezone().isoformat(timespec="seconds")))
    if as_json:
        output.emit_json({**found.to_json(), "page": str(page)})
    else:
        _say(found, page)


def _short(folder: Path) -> Path:
    """The folder as seen from here, where it lies below."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _say(found: Comparison, page: Path) -> None:
    from keiki.evaluation.report import comparing, words

    for note in found.notes:
        output.say(f"keiki: {note}")
    header = ("run", words.metric_title(found.metric), "interval", "fit", "predict", "bundle", "model")
    output.emit_table(header, [_row(run, found.metric) for run in found.runs])
    output.emit(f"\non the same {words.of(found.n, found.noun)}:")
    for pair in found.pairs:
        output.emit(f"  {comparing.verdict(pair, found.metric)}")
        if comparing.at_odds(pair):
            output.emit(f"    ({comparing.at_odds(pair)})")
    output.emit(f"page: {page}")


def _row(run: Entry, metric: str) -> tuple[str, ...]:
    from keiki.evaluation.report import comparing, words

    score = comparing.shown(run.score)
    return (
        run.name,
        words.score(score, metric) if score else "-",
        words.limits(score, metric) if score else "-",
        "-" if run.total_seconds is None else words.seconds(run.total_seconds),
        "-" if run.prediction_ms is None else words.seconds(run.prediction_ms / 1000),
        "-" if run.bundle_bytes is None else words.size(run.bundle_bytes),
        f"{run.backbone} + {run.method}",
    )
