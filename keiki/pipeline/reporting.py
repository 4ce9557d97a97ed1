"""From evidence to report.json: every part of the page filled from what the run knows."""

from __future__ import annotations

import base64
import math
import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import keiki
from keiki.backbones.base import Backbone
from keiki.core.record import Record
from keiki.data.task import Task
from keiki.evaluation.calibration import reliability
from keiki.evaluation.intervals import Interval as Range
from keiki.evaluation.protocol import dependent
from keiki.evaluation.report import schema, sentences
from keiki.metrics.base import METRICS
from keiki.pipeline.deliver import Delivered
from keiki.pipeline.estimate import SHIPPED, Estimate
from keiki.pipeline.evidence import Evidence, Rival
from keiki.pipeline.request import FitRequest
from keiki.pipeline.summary import ESTIMATES, digests, hardware, peak_memory, trainable_share, versions
from keiki.selection.workshop import Workshop

MISTAKES = 6
SKIPPED = 200
RULE = (
    "The simplest candidate (fewest trained parameters, then fastest) within one standard error of the smallest "
    "out-of-fold log loss; the error is that of the paired difference. Candidates are judged on training items that "
    "they had not seen; test items take no part."
)
SPLITS = {"given": "given", "held-out": "held-out", "nested": "nested cross-validation"}


def build_report(
    folder: Path,
    request: FitRequest,
    task: Task,
    estimate: Estimate,
    evidence: Evidence,
    shop: Workshop,
    record: Record,
    looks: int | None,
    warnings: list[dict[str, str]],
    delivered: Delivered,
) -> schema.Report:
    """All of report.json."""
    winner = estimate.final.outcomes[estimate.final.winner]
    wrong = _mistakes(request, task, estimate, shop)
    return schema.Report(
        run=folder.name,
        folder=str(folder),
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        keiki=keiki.__version__,
        task=_task(request, task, estimate),
        headline=_headline(task, estimate, evidence, looks),
        usability=_usability(evidence),
        transfer=_transfer(estimate, evidence),
        warnings=tuple(schema.Warning(text=each["what"], remedy=each["remedy"]) for each in warnings),
        n_mistakes=wrong[0],
        mistakes=wrong[1],
        next_steps=_next_steps(folder, task),
        metrics=_metrics(evidence),
        confusion=_confusion(evidence),
        reliability=_reliability(task, estimate, evidence),
        per_class=_per_class(evidence),
        paths=_paths(winner.facts, estimate),
        training=_training(estimate),
        selection=_selection(estimate),
        cost=_cost(shop, record, estimate, delivered),
        model=_model(estimate, shop),
        usage=_usage(folder, task),
        provenance=_provenance(request, task, shop),
    )


def _interval(found: Range | dict[str, float]) -> schema.Interval:
    data = found if isinstance(found, dict) else {"value": found.value, "low": found.low, "high": found.high}
    return schema.Interval(value=float(data["value"]), low=float(data["low"]), high=float(data["high"]))


def _maybe(found: Range | dict[str, float] | None) -> schema.Interval | None:
    """The interval, or None where the figure is not defined."""
    if found is None or (isinstance(found, Range) and math.isnan(found.value)):
        return None
    return _interval(found)


def _task(request: FitRequest, task: Task, estimate: Estimate) -> schema.Task:
    def count(index: Any) -> np.ndarray:
        return np.bincount(task.labels[index], minlength=len(task.target.classes))

    train, val, test = count(task.train), count(task.val), count(task.test)
    classes = [
        schema.ClassCount(name=name, train=int(train[i]), validation=int(val[i]), test=int(test[i]))
        for i, name in enumerate(task.target.classes)
    ]
    digests_seen = np.unique(np.array(task.items.digests), return_counts=True)[1]
    nested = task.protocol == "nested"
    return schema.Task(
        modality=task.modality,
        kind=task.target.kind,
        noun=sentences.noun(task.modality),
        source=Path(request.data).name,
        n=len(task.items),
        train=len(task.train),
        validation=len(task.val),
        test=len(task.test),
        classes=tuple(classes),
        split=SPLITS[task.protocol],  # type: ignore[arg-type]
        folds=len(np.unique(task.outer[0][task.outer[0] >= 0])) if nested else 0,
        repeats=len(task.outer) if nested else 0,
        group_column=request.group,
        n_groups=len(np.unique(task.groups)) if request.group else 0,
        duplicate_clusters=int((digests_seen > 1).sum()),
        duplicate_items=int(digests_seen[digests_seen > 1].sum()),
        n_skipped=len(task.skipped),
        skipped=tuple(schema.Skipped(id=each.id, reason=each.reason) for each in task.skipped[:SKIPPED]),
        notes=(*task.notes, *estimate.final.notes),
    )


def _headline(task: Task, estimate: Estimate, evidence: Evidence, looks: int | None) -> schema.Headline:
    n, right = estimate.n_items, evidence.test["accuracy"]["value"] * len(estimate.labels)
    return schema.Headline(
        metric=evidence.metric.name,
        score=_interval(evidence.score),
        n=n,
        n_correct=round(right) if evidence.metric.name == "accuracy" and n == len(estimate.labels) else None,
        estimate=ESTIMATES[task.protocol],  # type: ignore[arg-type]
        looks=looks,
    )


def _usability(evidence: Evidence) -> schema.Usability:
    found = evidence.acceptance
    return schema.Usability(
        asked_accuracy=found.wanted,
        threshold=found.threshold,
        accepted=_interval(found.share),
        n_accepted=found.n_accepted,
        to_check=1 - found.share.value,
        n_to_check=found.n - found.n_accepted,
        accuracy_among_accepted=_maybe(found.accuracy),
    )


def _role(rival: Rival) -> str:
    if "null" in rival.method.tags:
        return "majority"
    return "control" if "control" in rival.method.tags else "probe"


def _transfer(estimate: Estimate, evidence: Evidence) -> schema.Transfer | None:
    found = evidence.verdict
    if found is None:
        return None
    final = estimate.final
    titles = {rival.method.name: rival.method.title for rival in evidence.rivals}
    rows = [
        schema.ChartRow(
            method=rival.method.name,
            label=rival.method.title,
            role="winner" if rival.method.name == final.transfer else _role(rival),  # type: ignore[arg-type]
            score=_interval(evidence.transfer_score if rival.method.name == final.transfer else rival.score),
            difference=None if rival.method.name == final.transfer else _interval(rival.difference),
            weak=rival.weak,
            shipped=rival.method.name == final.winner,
        )
        for rival in sorted(evidence.rivals, key=lambda each: each.score.value)
    ]
    return schema.Transfer(
        verdict=found.verdict,
        metric=found.metric,
        against=titles[found.against],
        difference=_interval(found.difference),
        margin=found.margin,
        items_to_decide=found.items_needed,
        rows=tuple(rows),
    )


def _mistakes(
    request: FitRequest, task: Task, estimate: Estimate, shop: Workshop
) -> tuple[int, tuple[schema.Mistake, ...]]:
    answers = estimate.probabilities[SHIPPED]
    decided = answers.argmax(axis=1)
    wrong = np.flatnonzero(decided != estimate.labels)
    surest = wrong[np.argsort(-answers[wrong].max(axis=1), kind="stable")]
    _, first = np.unique(estimate.positions[surest], return_index=True)  # with repeats, an item is shown once
    shown = surest[np.sort(first)][:MISTAKES]
    if not request.samples:
        return len(wrong), ()
    items = task.items.take(estimate.positions[shown])
    facts = shop.bank.facts(items) if len(items) else []
    names = task.target.classes
    out = []
    for place, row in enumerate(shown):
        order = np.argsort(-answers[row], kind="stable")
        picture = facts[place].thumbnail
        out.append(
            schema.Mistake(
                id=items.ids[place],
                true=names[estimate.labels[row]],
                predicted=names[order[0]],
                probability=float(answers[row, order[0]]),
                runner_up=names[order[1]],
                runner_up_probability=float(answers[row, order[1]]),
                thumbnail=f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}" if picture else None,
                text=str(items.raws[place])[:2000] if task.modality == "text" else None,
            )
        )
    return len(wrong), tuple(out)


def _next_steps(folder: Path, task: Task) -> tuple[schema.Command, ...]:
    run = shlex.quote(str(folder))
    example = "PHOTO..." if task.modality == "image" else "TEXTS.csv"
    return (
        schema.Command(command=f"keiki predict {run} {example}", does="classify new items"),
        schema.Command(command=f"keiki evaluate {run} DATA", does="measure it on labelled data of your own"),
        schema.Command(command=f"keiki export {run} --format onnx", does="a model file that runs anywhere"),
    )


def _metrics(evidence: Evidence) -> tuple[schema.MetricRow, ...]:
    rows = []
    for name, metric in METRICS.items():
        if name not in evidence.test:
            continue
        found = evidence.test[name]
        rows.append(
            schema.MetricRow(
                name=name,
                better="higher" if metric.higher_is_better else "lower",
                score=_maybe(found),
                meaning=metric.help,
            )
        )
    return tuple(rows)


def _confusion(evidence: Evidence) -> tuple[schema.ConfusionCell, ...]:
    matrix = np.array(evidence.test["confusion"])
    return tuple(
        schema.ConfusionCell(true=int(t), predicted=int(p), n=round(float(matrix[t, p])))
        for t, p in np.argwhere(matrix > 0)
    )


def _reliability(task: Task, estimate: Estimate, evidence: Evidence) -> schema.Reliability:
    bins = reliability(estimate.probabilities[SHIPPED], estimate.labels, dependent(estimate.groups))
    ece = evidence.test.get("ece")
    return schema.Reliability(
        bins=tuple(
            schema.ReliabilityBin(
                low=each.low, high=each.high, n=each.n, confidence=each.confidence, accuracy=_interval(each.accuracy)
            )
            for each in bins
        ),
        ece=_maybe(ece),
        temperature=estimate.final.temperatures[estimate.final.winner],
    )


def _per_class(evidence: Evidence) -> tuple[schema.ClassResult, ...]:
    return tuple(
        schema.ClassResult(
            name=each["class"],
            support=each["support"],
            precision=_maybe(each["precision"]),
            recall=_maybe(each["recall"]),
            f1=_maybe(each["f1"]),
        )
        for each in evidence.test["per_class"]
    )


def _paths(facts: dict[str, Any], estimate: Estimate) -> tuple[schema.Path, ...]:
    probe = estimate.final.outcomes.get("linear-probe")
    found = facts.get("paths") or (probe.facts.get("paths") if probe else None) or []
    return tuple(
        schema.Path(
            view=path["view"],
            points=tuple(
                schema.PathPoint(penalty=p, log_loss=loss, standard_error=error)
                for p, loss, error in zip(path["penalties"], path["log_loss"], path["standard_error"], strict=True)
            ),
            chosen=path["chosen"],
        )
        for path in found
    )


def _training(estimate: Estimate) -> tuple[schema.TrainingCurve, ...]:
    curves = []
    for outcome in estimate.final.outcomes.values():
        for curve in outcome.facts.get("curves", []):
            epochs = tuple(
                schema.Epoch(epoch=int(e["epoch"]), train=e["train_loss"], validation=e.get("validation_loss"))
                for e in curve["epochs"]
                if "train_loss" in e
            )
            held = [e for e in epochs if e.validation is not None]
            best = min(held, key=lambda e: e.validation or 0.0).epoch if held else None
            curves.append(
                schema.TrainingCurve(phase=f"{outcome.method.title}: {curve['phase']}", epochs=epochs, best=best)
            )
    return tuple(curves)


def _selection(estimate: Estimate) -> schema.Selection:
    final = estimate.final
    rows = tuple(schema.Candidate(**{**row, "name": final.outcomes[row["name"]].method.title}) for row in final.table)
    return schema.Selection(rule=f"{RULE} {final.explanation}", candidates=rows)


def _cost(shop: Workshop, record: Record, estimate: Estimate, delivered: Delivered) -> schema.Cost:
    winner = estimate.final.outcomes[estimate.final.winner]
    controls = sum(
        s for name, s in shop.seconds.items() if name in estimate.final.outcomes and _is_control(estimate, name)
    )
    stages = [schema.Stage(name=name, seconds=seconds) for name, seconds in record.seconds.items()]
    stages += [
        schema.Stage(name=estimate.final.outcomes[name].method.title, seconds=seconds, control=True)
        for name, seconds in shop.seconds.items()
        if name in estimate.final.outcomes and _is_control(estimate, name)
    ]
    trained = winner.trained_parameters
    return schema.Cost(
        stages=tuple(stages),
        total_seconds=record.total_seconds(),
        controls_seconds=controls,
        peak_memory_bytes=peak_memory(),
        bundle_bytes=delivered.size,
        trained_parameters=trained,
        total_parameters=max(trained, trained + shop.backbone.card.parameters),
        trainable_share=trainable_share(winner.facts, trained, shop),
        prediction_ms=delivered.prediction_ms,
        hardware=hardware(),
    )


def _is_control(estimate: Estimate, name: str) -> bool:
    return "control" in estimate.final.outcomes[name].method.tags


def _model(estimate: Estimate, shop: Workshop) -> schema.Model:
    winner = estimate.final.outcomes[estimate.final.winner]
    backbone: Backbone = winner.model.backbone if winner.model else shop.backbone
    card = backbone.card
    return schema.Model(
        method=winner.method.name,
        method_title=winner.method.title,
        backbone=card.name,
        width=card.width or None,
        licence=card.licence,
        origin=card.origin,
        digest=card.digest,
        language=card.language or None,
        input=winner.model.transform_name if winner.model else "",
    )


def _usage(folder: Path, task: Task) -> schema.Usage:
    example = "photo.jpg" if task.modality == "image" else "some text"
    snippet = f'import keiki\n\nmodel = keiki.load("{folder.as_posix()}")\nprint(model.predict(["{example}"]).labels)'
    return schema.Usage(commands=_next_steps(folder, task), python=snippet)


def _provenance(request: FitRequest, task: Task, shop: Workshop) -> schema.Provenance:
    config = {name: " ".join(value) if isinstance(value, list) else value for name, value in request.to_json().items()}
    return schema.Provenance(seed=request.seed, versions=versions(), config=config, digests=digests(task, shop))
