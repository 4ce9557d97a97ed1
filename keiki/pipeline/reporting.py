"""From evidence to report.json: every part of the page filled from what the run knows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import keiki
from keiki.core.record import Record
from keiki.data.task import Task
from keiki.evaluation.report import schema, sentences
from keiki.evaluation.report.start import Start
from keiki.evaluation.risk_coverage import RiskCoverage
from keiki.methods.base import Model
from keiki.pipeline import figures, found, insights, mistakes, starts, trained
from keiki.pipeline.deliver import Delivered, shipped_model
from keiki.pipeline.estimate import Estimate
from keiki.pipeline.evidence import Evidence, Rival, is_without_transfer, unasked
from keiki.pipeline.findings import Findings
from keiki.pipeline.request import FitRequest
from keiki.pipeline.showing import UNNAMED, Showing, nameless
from keiki.pipeline.summary import (
    ESTIMATES,
    digests,
    hardware,
    peak_memory,
    shipped_backbone,
    total_parameters,
    trainable_share,
    versions,
)
from keiki.selection.workshop import Workshop

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
    *,
    findings: Findings | None = None,
    risk: RiskCoverage | None = None,
    start: Start | None = None,
) -> schema.Report:
    """All of report.json. findings: what was found in the data; risk: the curve of what accepting costs; start: what a
    model of the user's own was worth as one."""
    winner = estimate.final.outcomes[estimate.final.winner]
    shipped, samples = shipped_model(shop, task, estimate.final), request.samples
    features = shipped.features(task.items)
    clusters = findings.clusters if findings else ()
    wrong = mistakes.find(shop, task, estimate, shipped, features, clusters) if samples else ()
    shown = [*mistakes.rows(wrong), *(found.rows(findings) if findings else ())]
    showing = Showing.of(task, shop.bank, shown, samples)
    plainly = (lambda text: text) if samples else nameless(task)
    return schema.Report(
        run=folder.name,
        folder=str(folder),
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        keiki=keiki.__version__,
        samples=samples,
        task=_task(request, task, estimate, plainly, [*starts.notes(start), *evidence.test["notes"]]),
        headline=_headline(task, estimate, evidence, looks),
        usability=_usability(estimate, evidence),
        transfer=_transfer(estimate, evidence),
        start=start,
        warnings=tuple(schema.Warning(text=plainly(w["what"]), remedy=plainly(w["remedy"])) for w in warnings),
        n_mistakes=mistakes.count(estimate),
        mistakes=mistakes.tell(wrong, estimate, showing),
        next_steps=_next_steps(folder, task),
        findings=found.tell(findings, showing) if findings else None,
        slices=insights.weak_spots(shop, task, estimate, evidence, request.group, samples=samples),
        learning=insights.more_labels(shop, task, estimate, shipped, features),
        map=insights.map_of(task, estimate, features, _whose(shipped), shop.random.child("map"), samples=samples),
        risk=insights.risk(risk),
        metrics=figures.metrics(evidence),
        confusion=figures.confusion(estimate, evidence),
        reliability=figures.reliability(task, estimate, evidence),
        per_class=figures.per_class(estimate, evidence),
        paths=figures.paths(winner.facts, estimate),
        training=figures.training(estimate),
        moved=trained.told(shop, task, estimate),
        selection=_selection(estimate),
        cost=_cost(shop, record, estimate, delivered),
        model=_model(estimate, shop),
        usage=_usage(folder, task),
        provenance=_provenance(request, task, shop),
    )


def _whose(shipped: Model) -> str:
    """Whose features the map is made of."""
    name = shipped.backbone.card.name
    return f"{name} as it was before tuning" if shipped.network is not None else name


def _task(
    request: FitRequest, task: Task, estimate: Estimate, plainly: Callable[[str], str], rough: Sequence[str]
) -> schema.Task:
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
        newest=task.protocol == "held-out" and task.times is not None,
        group_column=(request.group or "group") if task.declared else None,
        n_groups=len(set(task.declared or ())),
        duplicate_clusters=int((digests_seen > 1).sum()),
        duplicate_items=int(digests_seen[digests_seen > 1].sum()),
        n_skipped=len(task.skipped),
        skipped=tuple(
            schema.Skipped(id=each.id if request.samples else UNNAMED, reason=plainly(each.reason))
            for each in task.skipped[:SKIPPED]
        ),
        notes=tuple(plainly(note) for note in (*task.notes, *estimate.final.notes, *unasked(estimate.final), *rough)),
    )


def _headline(task: Task, estimate: Estimate, evidence: Evidence, looks: int | None) -> schema.Headline:
    n, right = estimate.n_items, evidence.test["accuracy"]["value"] * len(estimate.labels)
    return schema.Headline(
        metric=evidence.metric.name,
        score=figures.interval(evidence.score),
        n=n,
        n_correct=round(right) if evidence.metric.name == "accuracy" and n == len(estimate.labels) else None,
        estimate=ESTIMATES[task.protocol],  # type: ignore[arg-type]
        looks=looks,
        partly=_partly(task, estimate),
    )


def _partly(task: Task, estimate: Estimate) -> schema.Partly | None:
    """What the headline must say where no item of some classes was judged."""
    counts = np.bincount(estimate.labels, minlength=len(task.target.classes))
    judged = np.flatnonzero(counts)
    if len(judged) == len(counts):
        return None
    return schema.Partly(
        judged=tuple(task.target.classes[c] for c in judged[: sentences.SHOWN_CLASSES].tolist()),
        n_judged=len(judged),
        n_classes=len(counts),
        constant=task.target.classes[int(counts.argmax())],
        constant_right=float(counts.max() / counts.sum()),
    )


def _usability(estimate: Estimate, evidence: Evidence) -> schema.Usability:
    found = evidence.acceptance
    accepted = figures.items(found.n_accepted, estimate)
    return schema.Usability(
        asked_accuracy=found.wanted,
        threshold=found.threshold,
        accepted=figures.interval(found.share),
        n_accepted=accepted,
        to_check=1 - found.share.value,
        n_to_check=estimate.n_items - accepted,
        unreached=evidence.unreached,
        accuracy_among_accepted=figures.maybe(found.accuracy),
    )


def _role(rival: Rival) -> str:
    if "null" in rival.method.tags:
        return "majority"
    return "control" if is_without_transfer(rival.method) else "probe"


def _transfer(estimate: Estimate, evidence: Evidence) -> schema.Transfer | None:
    found = evidence.verdict
    if found is None:
        return None
    titles = {rival.method.name: rival.method.title for rival in evidence.rivals}
    return schema.Transfer(
        verdict=found.verdict,
        metric=found.metric,
        against=titles[found.against],
        difference=figures.interval(found.difference),
        margin=found.margin,
        items_to_decide=found.items_needed,
        rows=tuple(_chart(estimate, evidence)),
    )


def _chart(estimate: Estimate, evidence: Evidence) -> list[schema.ChartRow]:
    """The best pretrained model and every rival that has a score, by score."""
    final = estimate.final
    best = final.outcomes[final.transfer].method
    rows = [
        schema.ChartRow(
            method=best.name,
            label=best.title,
            role="winner",
            score=figures.interval(evidence.transfer_score),
            shipped=best.name == final.winner,
        )
    ]
    rows += [
        schema.ChartRow(
            method=rival.method.name,
            label=rival.method.title,
            role=_role(rival),  # type: ignore[arg-type]
            score=figures.interval(rival.score),
            difference=figures.maybe(rival.difference),
            weak=rival.weak,
            unfinished=rival.unfinished,
            shipped=rival.method.name == final.winner,
        )
        for rival in evidence.rivals
        if rival.method.name != best.name and figures.maybe(rival.score) is not None
    ]
    return sorted(rows, key=lambda row: row.score.value)


def _next_steps(folder: Path, task: Task) -> tuple[schema.Command, ...]:
    run = shlex.quote(str(folder))
    example = {"image": "PHOTO...", "text": "TEXTS.csv", "vector": "ROWS.csv"}[task.modality]
    return (
        schema.Command(command=f"keiki predict {run} {example}", does="classify new items"),
        schema.Command(command=f"keiki evaluate {run} DATA", does="measure it on labelled data of your own"),
        schema.Command(command=f"keiki export {run} --format onnx", does="a model file that runs anywhere"),
    )


def _selection(estimate: Estimate) -> schema.Selection:
    final = estimate.final
    rows = tuple(schema.Candidate(**{**row, "name": final.outcomes[row["name"]].method.title}) for row in final.table)
    return schema.Selection(rule=f"{RULE} {final.explanation}", candidates=rows)


def _cost(shop: Workshop, record: Record, estimate: Estimate, delivered: Delivered) -> schema.Cost:
    winner = estimate.final.outcomes[estimate.final.winner]
    controls = sum(
        s for name, s in shop.seconds.items() if name in estimate.final.outcomes and _is_control(estimate, name)
    )
    own = {name: seconds for name, seconds in record.seconds.items() if name != "controls"}  # each is listed by itself
    stages = [schema.Stage(name=name, seconds=seconds) for name, seconds in own.items()]
    stages += [
        schema.Stage(name=estimate.final.outcomes[name].method.title, seconds=seconds, control=True)
        for name, seconds in shop.seconds.items()
        if name in estimate.final.outcomes and _is_control(estimate, name)
    ]
    return schema.Cost(
        stages=tuple(stages),
        total_seconds=record.total_seconds(),
        controls_seconds=controls,
        peak_memory_bytes=peak_memory(),
        bundle_bytes=delivered.size,
        trained_parameters=winner.trained_parameters,
        total_parameters=total_parameters(winner, shop),
        trainable_share=trainable_share(winner, shop),
        prediction_ms=delivered.prediction_ms,
        hardware=hardware(),
    )


def _is_control(estimate: Estimate, name: str) -> bool:
    return "control" in estimate.final.outcomes[name].method.tags


def _model(estimate: Estimate, shop: Workshop) -> schema.Model:
    winner = estimate.final.outcomes[estimate.final.winner]
    card = shipped_backbone(winner, shop).card
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
    example = {"image": '"photo.jpg"', "text": '"some text"', "vector": "[0.1, 0.2, 0.3]"}[task.modality]
    place = json.dumps(folder.as_posix(), ensure_ascii=False)
    snippet = f"import keiki\n\nmodel = keiki.load({place})\nprint(model.predict([{example}]).labels)"
    return schema.Usage(commands=_next_steps(folder, task), python=snippet)


def _provenance(request: FitRequest, task: Task, shop: Workshop) -> schema.Provenance:
    config = {name: " ".join(value) if isinstance(value, list) else value for name, value in request.to_json().items()}
    return schema.Provenance(seed=request.seed, versions=versions(), config=config, digests=digests(task, shop))
