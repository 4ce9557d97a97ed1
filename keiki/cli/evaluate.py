"""keiki evaluate RUN DATA"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keiki.cli import output
from keiki.core.errors import RequestError

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
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="tell of drift alone, whatever labels there are")
    ] = False,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="one more metric")] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="the class that this metric is about")] = None,
    seed: Annotated[int, typer.Option(help="of the intervals' resampling")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Measure a model on labelled data that it has not seen, or tell whether data without labels have drifted.

    A table is read by the columns of the fit, unless others are named. Items that the run has seen in training are
    found by their content, counted and left out; near copies of them are counted, and the accuracy is given without
    them too. Items of classes that the model does not know are counted apart. Every look at the same test data is
    counted, because data that were looked at often are no longer unseen. Without labels nothing can be said of how
    often the model is right; whether the items are still like those of the training can.

    \b
    Examples:
      keiki evaluate runs/last test-photos/ --json
      keiki evaluate runs/last photos-of-may/ --no-labels
    """
    from keiki.artifacts.bundle import Bundle
    from keiki.data.sources.base import Request
    from keiki.pipeline.copies import NearTraining, near_training
    from keiki.serving.judge import fitting, judge, labelled, read_data, unseen, watch

    if no_labels and (label or metric or positive):
        raise RequestError("--no-labels leaves nothing for --label, --metric or --positive to tell.")
    bundle = Bundle.open(run)
    asked = Request(input=column, label=label, files=files, group=group, learned=False)
    found = read_data(data, asked, bundle, labels=not no_labels)
    fitting(found, bundle)
    has_labels = found.labels is not None
    if has_labels:
        labelled(found, bundle)
    elif metric:
        raise RequestError(
            f"Without labels '{metric}' has no value. {found.notes[-1]}", hint="Name them: --label COLUMN"
        )
    fresh = unseen(found, bundle)
    near = near_training(run, bundle, fresh) if has_labels else NearTraining()
    told = (
        judge(bundle, fresh, metric=metric, positive=positive, seed=seed, copies=near.rows)
        if has_labels
        else watch(bundle, fresh, seed=seed)
    )
    facts = {
        "run": str(run),
        "data": str(data),
        "labelled": has_labels,
        "seen": len(found) - len(fresh),
        "looks": _look(fresh, str(run)) if has_labels else None,
        "notes": [*found.notes, *([near.why_not] if near.why_not else [])],
        "skipped": [{"id": each.id, "reason": each.reason} for each in found.skipped if not each.foreign],
        **told,
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
    for note in (*facts["notes"], *facts.get("test", {}).get("notes", ())):
        output.say(f"keiki: {note}")
    if facts["labelled"]:
        _say_quality(facts, metric)
    else:
        output.emit(f"{facts['n']} items without labels: how often the model is right on them cannot be told")
    _say_drift(facts["drift"])
    for reason, count in (
        ("left out: seen by the fit", facts["seen"]),
        ("left out: not readable", len(facts["skipped"]) + len(facts["unreadable"])),
    ):
        if count:
            output.emit(f"{count} {reason}")
    if facts["labelled"] and facts["looks"] > 1:
        output.emit(f"these test data have been looked at {facts['looks']} times")


def _say_quality(facts: dict[str, Any], metric: str | None) -> None:
    test, taken = facts["test"], facts["acceptance"]
    names = ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", *([metric.replace("-", "_")] if metric else [])]
    names = list(dict.fromkeys(names))
    rows = [(name, *(_number(test[name], end) for end in ("value", "low", "high"))) for name in names if name in test]
    output.emit_table(("metric", "value", "low", "high"), rows)
    output.emit(f"\n{facts['n']} items; intervals at 95 %")
    for line in (*_own(facts), *_near(facts), *_unknown(facts)):
        output.emit(line)
    if taken["threshold"] is None:
        output.emit("no answer is certain enough to be accepted unseen")
    else:
        right = f", {_percent(taken['accuracy'])} of them right" if taken["accuracy"] else ""
        output.emit(f"{taken['accepted']} answers accepted ({_percent(taken['share'])}){right}")


def _own(facts: dict[str, Any]) -> Iterator[str]:
    """The fit's own figure, and whether the new one differs from it by more than chance would."""
    from keiki.evaluation.intervals import Interval, apart
    from keiki.evaluation.report.words import percent, percent_range

    own, new = facts["own"], facts["test"]["accuracy"]
    if own is None or new is None:
        return
    old = own["accuracy"]
    difference = apart(Interval(**new), Interval(**old))
    what = "does not differ from it by more than chance would"
    if difference.high < 0:
        what = "is lower: these items are harder for the model than those that judged the fit"
    elif difference.low > 0:
        what = "is higher: these items are easier for the model than those that judged the fit"
    shown = f"{percent(old['value'])} right ({percent_range(old['low'], old['high'])})"
    yield f"the fit's own estimate: {shown}; {percent(new['value'])} {what}"


def _near(facts: dict[str, Any]) -> Iterator[str]:
    """How many near copies of training items there are, and the accuracy without them."""
    found = facts["near_copies"]
    if not found["n"]:
        return
    left = found["accuracy_without"]
    rest = "too few are left to measure without them" if left is None else f"without them accuracy {_three(left)}"
    yield f"watch: {found['n']} of them are near copies of training items, which prove little; {rest}"


def _unknown(facts: dict[str, Any]) -> Iterator[str]:
    """Items of classes that the model does not know, and what they would make of the accuracy."""
    unknown, right = facts["unknown"], facts["test"]["accuracy"]
    if not unknown:
        return
    n, names = sum(unknown.values()), list(unknown)
    shown = ", ".join(f"'{name}' ({unknown[name]})" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    whole = "" if right is None else f"; counted as wrong: {right['value'] * facts['n'] / (facts['n'] + n):.3f} right"
    yield f"watch: {n} more are of classes that the model does not know: {shown}{more}{whole}"


def _three(estimate: dict[str, float]) -> str:
    return f"{_number(estimate, 'value')} ({_number(estimate, 'low')} to {_number(estimate, 'high')})"


def _say_drift(found: dict[str, Any]) -> None:
    output.emit(f"drift: {found['verdict']}")
    strange, sure = found["unfamiliar"], found["confidence"]
    if strange is None:
        output.emit("unfamiliar: this model cannot tell")
    else:
        ends = f"{strange['low']:.1%} to {strange['high']:.1%}"
        output.emit(f"unfamiliar: {strange['value']:.1%}, {ends} ({strange['expected']:.1%} expected)")
    expected = "" if sure["expected"] is None else f" ({sure['expected']:.0%} expected)"
    output.emit(f"mean probability of the answers: {sure['value']:.0%}{expected}")


def _number(estimate: dict[str, float] | None, end: str) -> str:
    return "-" if estimate is None else f"{estimate[end]:.3f}"


def _percent(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.0%}, {estimate['low']:.0%} to {estimate['high']:.0%}"
