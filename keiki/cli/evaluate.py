"""keiki evaluate RUN DATA"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keiki.cli import output

if TYPE_CHECKING:
    from keiki.data.task import Dataset

LEDGER = "looks.jsonl"  # beside the cache, which clearing leaves alone


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder or a bundle folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a folder with one subfolder a class, or a table")],
    column: Annotated[str | None, typer.Option("--input", metavar="COL", help="column with the input")] = None,
    label: Annotated[str | None, typer.Option(metavar="COL", help="column of a table with the class")] = None,
    files: Annotated[Path | None, typer.Option(metavar="DIR", help="folder in which the files of a table lie")] = None,
    group: Annotated[str | None, typer.Option(metavar="COL", help="column that says what belongs together")] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="one more metric")] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="the class that this metric is about")] = None,
    seed: Annotated[int, typer.Option(help="of the intervals' resampling")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Measure a model on labelled data that it has not seen.

    Items that the run has seen in training are found by their content, counted and left out. Every look at the same
    test data is counted, because data that were looked at often are no longer unseen.

    \b
    Example:
      keiki evaluate runs/last test-photos/ --json
    """
    from keiki.artifacts.bundle import Bundle
    from keiki.data.sources.base import Request, read
    from keiki.serving.judge import judge, labelled, unseen

    bundle = Bundle.open(run)
    found = read(data, Request(input=column, label=label, files=files, group=group))
    labelled(found, bundle)
    fresh = unseen(found, bundle)
    result = judge(bundle, fresh, metric=metric, positive=positive, seed=seed)
    facts = {
        "run": str(run),
        "data": str(data),
        "seen": len(found) - len(fresh),
        "looks": _look(fresh, str(run)),
        "notes": list(found.notes),
        "skipped": [{"id": each.id, "reason": each.reason} for each in found.skipped if not each.foreign],
        **result,
    }
    if as_json:
        output.emit_json(facts)
    else:
        _say(facts, metric)


def _look(data: Dataset, run: str) -> int:
    from keiki.backbones.cache import open_cache
    from keiki.core.files import digest
    from keiki.evaluation.ledger import Ledger

    items = digest(sorted(map(list, zip(data.items.digests, data.labels or (), strict=True))))
    return Ledger(open_cache().root / LEDGER).look(items, run=run, purpose="evaluate")


def _say(facts: dict[str, Any], metric: str | None) -> None:
    for note in facts["notes"]:
        output.say(f"keiki: {note}")
    test, taken = facts["test"], facts["acceptance"]
    names = ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", *([metric] if metric else [])]
    rows = [(name, *(_number(test[name], end) for end in ("value", "low", "high"))) for name in names if name in test]
    output.emit_table(("metric", "value", "low", "high"), rows)
    output.emit(f"\n{facts['n']} items; intervals at 95 %")
    if taken["threshold"] is None:
        output.emit("no answer is certain enough to be accepted unseen")
    else:
        right = f", {_percent(taken['accuracy'])} of them right" if taken["accuracy"] else ""
        output.emit(f"{taken['accepted']} answers accepted ({_percent(taken['share'])}){right}")
    for reason, count in (
        ("left out: seen by the fit", facts["seen"]),
        ("left out: not readable", len(facts["skipped"]) + len(facts["unreadable"])),
    ):
        if count:
            output.emit(f"{count} {reason}")
    if facts["looks"] > 1:
        output.emit(f"these test data have been looked at {facts['looks']} times")


def _number(estimate: dict[str, float] | None, end: str) -> str:
    return "-" if estimate is None else f"{estimate[end]:.3f}"


def _percent(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.0%}, {estimate['low']:.0%} to {estimate['high']:.0%}"
