"""Runs side by side: the items that all were judged on, matched by content and label, and who answers them better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keiki.core.errors import RequestError
from keiki.core.random import Randomness
from keiki.data.deal import clusters
from keiki.data.names import listing
from keiki.data.task import Index
from keiki.evaluation.comparison import pairs
from keiki.evaluation.intervals import Interval
from keiki.evaluation.protocol import dependent, estimates
from keiki.evaluation.report import sentences
from keiki.evaluation.report.comparing import Comparison, Entry
from keiki.metrics.base import Floats, Metric, named
from keiki.pipeline import contrast
from keiki.pipeline.answers import Answers
from keiki.pipeline.evidence import metric_name
from keiki.pipeline.finished import Finished, at, open_runs

Key = tuple[str, str]  # content and label of an item
Places = dict[Key, list[int]]


@dataclass(frozen=True)
class Matched:
    """The common items: for each run the rows of its answers (N,), in one order; labels and clusters (N,)."""

    rows: tuple[Index, ...]
    labels: Index
    groups: Index
    notes: tuple[str, ...]


def compare(
    runs: Sequence[Path | str],
    *,
    metric: str | None = None,
    positive: str | None = None,
    shared: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare runs on the items that judge them; `metric` None takes the first run's.

    Raises RequestError where the runs are the same, know other classes, or were judged on other items; with `shared`
    the items that all were judged on will do, and those are of classes that all know.
    """
    found = open_runs([Path(run) for run in runs])
    classes, apart = _classes(found, shared=shared)
    matched = match(found, classes, shared=shared)
    chosen, notes = _metric(found, classes, metric, positive)
    by_name = {run.name: _shares(run.answers, rows, classes) for run, rows in zip(found, matched.rows, strict=True)}
    scores = _scores(chosen, matched, by_name, seed)
    entries = (_entry(run, score) for run, score in zip(found, scores, strict=True))
    n = len(np.unique(found[0].answers.positions[matched.rows[0]]))
    torn, shown = contrast.disagreements(found, matched.rows, matched.labels, by_name, classes)
    return Comparison(
        metric=chosen.name,
        noun=sentences.noun(str(at(found[0].summary, "task", "modality"))),
        n=n,
        repeats=len(matched.labels) / n,
        classes=classes,
        runs=tuple(entries),
        pairs=pairs(
            chosen, matched.labels, by_name, rng=Randomness(seed).numpy("compare"), groups=dependent(matched.groups)
        ),
        differences=contrast.differences(found),
        per_class=contrast.per_class(matched.labels, by_name, classes),
        disagreements=shown,
        n_disagreements=torn,
        notes=(*apart, *matched.notes, *notes, *contrast.notes(found)),
    )


def match(runs: Sequence[Finished], classes: Sequence[str], *, shared: bool = False) -> Matched:
    """The items that every run was judged on; raises RequestError where some are missing and `shared` is not asked."""
    places = [_places(run.answers) for run in runs]
    common = [key for key in places[0] if all(key in each for each in places[1:])]
    if not common or (any(len(each) != len(common) for each in places) and not shared):
        raise _different(runs, places, len(common))
    notes = []
    if any(len(each) != len(common) for each in places):
        counts = ", ".join(f"{run.name} on {len(each)}" for run, each in zip(runs, places, strict=True))
        notes.append(f"Compared on the {len(common)} items that all were judged on ({counts}).")
    times = {key: min(len(each[key]) for each in places) for key in common}
    if any(len(each[key]) != times[key] for each in places for key in common):
        notes.append("Some runs answered an item more often than others; the surplus answers are left out.")
    rows = tuple(
        np.array([row for key in common for row in each[key][: times[key]]], dtype=np.int64) for each in places
    )
    keys: list[Sequence[Hashable]] = [run.answers.groups[own].tolist() for run, own in zip(runs, rows, strict=True)]
    first = runs[0].answers
    keys.append([first.digests[row] for row in rows[0]])
    position = {name: i for i, name in enumerate(classes)}
    labels = np.array([position[first.classes[label]] for label in first.labels[rows[0]]], dtype=np.int64)
    return Matched(rows, labels, clusters(*keys), tuple(notes))


def _classes(runs: Sequence[Finished], *, shared: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes that the runs know, and what is to be said of them; where one knows others it must be `shared`.

    To a class that a run does not know it gives no probability; what it says of items of the classes that all know can
    be compared all the same.
    """
    first = runs[0].answers.classes
    everything = list(dict.fromkeys(name for run in runs for name in run.answers.classes))
    common = [name for name in first if all(name in run.answers.classes for run in runs)]
    if len(common) == len(everything):
        return first, ()
    known = Counter(name for run in runs for name in run.answers.classes)
    alone = {run.name: sorted(name for name in run.answers.classes if known[name] == 1) for run in runs}
    some = sorted(name for name, n in known.items() if 1 < n < len(runs))
    parts = [f"only '{name}' knows {listing(own)}" for name, own in alone.items() if own]
    said = "; ".join([*parts, *([f"not all know {listing(some)}"] if some else [])])
    if not shared:
        raise RequestError(
            f"The runs know different classes: {said}.",
            hint="Compare them on items of the classes that all know: --shared",
        )
    return tuple(everything), (f"Compared on items of the {len(common)} classes that all runs know; {said}.",)


def _places(answers: Answers) -> Places:
    """The rows of each item's answers, by content and label, in the order of the repetitions."""
    places: Places = {}
    whole = np.isfinite(answers.probabilities).all(axis=1)
    for row in np.flatnonzero(whole).tolist():
        key = (answers.digests[row], answers.classes[int(answers.labels[row])])
        places.setdefault(key, []).append(row)
    return places


def _different(runs: Sequence[Finished], places: Sequence[Places], n_common: int) -> RequestError:
    counts = ", ".join(f"'{run.name}' on {len(each)} items" for run, each in zip(runs, places, strict=True))
    contents = [{content for content, _ in each} for each in places]
    relabelled = len(set.intersection(*contents)) - n_common
    other = f"; {relabelled} more have another label" if relabelled > 0 else ""
    ways = "Fit them with one --test DATA (or the same data and --seed)"
    rest = f", or compare them on the {n_common} by --shared" if n_common else ""
    return RequestError(
        f"The runs were judged on different items: {counts}; all of them share {n_common}{other}.",
        hint=f"{ways}{rest}.",
    )


def _metric(
    runs: Sequence[Finished], classes: Sequence[str], name: str | None, positive: str | None
) -> tuple[Metric, list[str]]:
    asked = [str(run.summary.get("metric", "accuracy")) for run in runs]
    notes = []
    if name is None and len(set(asked)) > 1:
        notes.append(f"The runs were fitted for different metrics ({', '.join(asked)}); compared is {asked[0]}.")
    wished = positive or at(runs[0].summary, "config", "positive")
    return named(metric_name(name or asked[0]), classes, None if wished is None else str(wished)), notes


def _entry(run: Finished, score: Interval) -> Entry:
    facts = contrast.cost(run)
    return Entry(name=run.name, folder=str(run.folder), score=score, protocol=run.answers.protocol, **facts)


def _shares(answers: Answers, rows: Index, classes: Sequence[str]) -> Floats:
    """Probabilities (N, C) of the matched items, columns in the order of `classes`; 0 for one that it does not know."""
    shares: Floats = np.zeros((len(rows), len(classes)), dtype=np.float64)
    columns = [classes.index(name) for name in answers.classes if name in classes]
    own = [answers.classes.index(classes[column]) for column in columns]
    shares[:, columns] = answers.probabilities[rows][:, own]
    return shares


def _scores(metric: Metric, matched: Matched, answers: Mapping[str, Floats], seed: int) -> list[Interval]:
    """The metric of every run with its interval; raises RequestError where it has no value on the common items."""
    labels, groups = matched.labels, dependent(matched.groups)
    rng = Randomness(seed).numpy("scores")
    if len(labels) < metric.smallest:
        raise RequestError(
            f"Metric '{metric.name}' means something from {metric.smallest} items on, but {len(labels)} are common.",
            hint="Use another --metric.",
        )
    found = [estimates([metric], labels, each, groups=groups, rng=rng)[metric.name] for each in answers.values()]
    if any(np.isnan(score.value) for score in found):
        raise RequestError(
            f"Metric '{metric.name}' has no value on the {len(labels)} common items. {metric.undefined}",
            hint="Use another --metric.",
        )
    return found
