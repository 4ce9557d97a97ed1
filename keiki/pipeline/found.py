"""What was found in the data, as the page shows it: of long lists the beginning, of rows what may be seen of them."""

from __future__ import annotations

from dataclasses import asdict

from keiki.evaluation.report import insight
from keiki.pipeline import figures
from keiki.pipeline.findings import Cluster, Findings, Leak, Shift
from keiki.pipeline.showing import Showing

MOST_COPIES = 20  # sets
MOST_OF_A_SET = 4
MOST_SUSPECTS = 24
MOST_LEAKED = 12
MOST_HINTS = 6


def rows(found: Findings) -> list[int]:
    """All rows of the task that are to be shown."""
    copies = [row for each in found.clusters[:MOST_COPIES] for row in each.rows[:MOST_OF_A_SET]]
    leaked = list(found.leak.rows[:MOST_LEAKED]) if found.leak else []
    return copies + leaked + [each.row for each in found.suspects[:MOST_SUSPECTS]]


def tell(found: Findings, showing: Showing) -> insight.Findings:
    """The findings for report.json; without samples no item and no name of a group stands in them."""
    names = showing.task.target.classes
    return insight.Findings(
        n_exact=sum(each.kind == "exact" for each in found.clusters),
        n_near=sum(each.kind == "near" for each in found.clusters),
        n_copies=sum(len(each.rows) for each in found.clusters),
        copies=tuple(_copies(each, showing) for each in found.clusters[:MOST_COPIES]),
        n_suspects=max(found.n_suspects, len(found.suspects)),
        suspects=tuple(
            insight.Suspect(item=showing.item(each.row), suggested=names[each.suggested], probability=each.score)
            for each in found.suspects[:MOST_SUSPECTS]
        ),
        leak=_leak(found.leak, showing) if found.leak else None,
        shift=_shift(found.shift) if found.shift else None,
        hints=_hints(found, showing.samples),
        language=_language(found),
        sizes=_sizes(found),
        notes=found.notes,
    )


def _copies(cluster: Cluster, showing: Showing) -> insight.Copies:
    task = showing.task
    labels = {task.target.classes[task.labels[row]]: None for row in cluster.rows}
    return insight.Copies(
        kind=cluster.kind,
        similarity=cluster.similarity,
        n=len(cluster.rows),
        items=tuple(showing.item(row) for row in cluster.rows[:MOST_OF_A_SET]),
        labels=tuple(labels),
    )


def _leak(leak: Leak, showing: Showing) -> insight.Leak:
    return insight.Leak(
        n=len(leak.rows),
        metric=leak.metric,
        with_them=figures.interval(leak.with_them),
        without_them=figures.maybe(leak.without_them),
        items=tuple(showing.item(row) for row in leak.rows[:MOST_LEAKED]),
    )


def _shift(shift: Shift) -> insight.Shift | None:
    auc = figures.maybe(shift.auc)
    if auc is None:
        return None
    return insight.Shift(auc=auc, n_train=shift.n_train, n_test=shift.n_test, shifted=shift.shifted)


def _hints(found: Findings, samples: bool) -> tuple[insight.Hint, ...]:
    return tuple(
        insight.Hint(
            how=each.how,
            name=each.name if samples or each.how == "column" else "",
            n_groups=each.n_groups,
            n_items=each.n_items,
            examples=each.examples if samples else (),
            option=each.option,
        )
        for each in found.hints[:MOST_HINTS]
    )


def _language(found: Findings) -> insight.Language | None:
    return None if found.language is None else insight.Language(**asdict(found.language))


def _sizes(found: Findings) -> insight.Sizes | None:
    return None if found.sizes is None else insight.Sizes(**asdict(found.sizes))
