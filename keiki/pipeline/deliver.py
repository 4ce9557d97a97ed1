"""From the winner to the bundle: its graph, its head, its thresholds, and the answers that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.handover import Handover, OutOfFold, Witness
from keiki.artifacts.origin import Columns
from keiki.artifacts.parity import Certificate
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import TrainingError
from keiki.core.files import digest, sha256_bytes
from keiki.data.task import Task, TrainView
from keiki.evaluation.conformal import set_scores
from keiki.evaluation.drift import reference
from keiki.evaluation.protocol import dependent
from keiki.evaluation.thresholds import accept_grid
from keiki.methods.base import Model
from keiki.methods.flipping import may_be_mirrored
from keiki.nn.linear import LinearHead
from keiki.pipeline.familiar import measured
from keiki.selection.select import Selection
from keiki.selection.workshop import Workshop

WITNESSES = 12


@dataclass(frozen=True)
class Parts:
    """What a bundle needs of a model: its graph (None where preparing gives the features), head and own weights."""

    graph: Path | None
    head: LinearHead
    weights: dict[str, npt.NDArray[Any]]


def shipped_model(shop: Workshop, task: Task, final: Selection) -> Model:
    """The winner's model; fitted again where only its answers were remembered."""
    outcome = final.outcomes[final.winner]
    if outcome.model is None:
        outcome.model = shop.fit(outcome.method, task.training_view(), task.items.take([])).model
    if outcome.model is None:
        raise TrainingError(f"Method '{final.winner}' has left no model.")
    return outcome.model


def deliver(
    folder: Path,
    shop: Workshop,
    task: Task,
    final: Selection,
    threshold: float | None,
    wanted: float,
    results: Mapping[str, Any],
    columns: Columns,
) -> Certificate:
    """Write the bundle; returns its parity certificate."""
    model = shipped_model(shop, task, final)
    parts = take_apart(model, shop)
    view = task.training_view()
    some = view.items.take(np.linspace(0, len(view) - 1, min(WITNESSES, len(view))).astype(int))
    outcome = final.outcomes[final.winner]
    familiar = measured(model, view, parts.graph, shop.plan.threads)
    handover = Handover(
        name=task.name,
        target=task.target,
        transform=model.backbone.transforms()[model.transform_name],
        card=model.backbone.card.to_json(),
        method=final.winner,
        options=outcome.method.config.to_json(),
        graph=parts.graph,
        standardiser=None,
        head=parts.head,
        temperature=final.temperatures[final.winner],
        thresholds={"accept": threshold, "asked_accuracy": wanted},
        witness=Witness(some.raws, model.logits(some), familiar.distances(some)),
        yardstick=familiar.yardstick,
        no_yardstick=familiar.why_not,
        out_of_fold=_out_of_fold(view, final),
        weights=parts.weights,
        seen=view.items.digests,
        results=results,
        columns=columns,
        batch_size=shop.plan.batch_size,
        flips=may_be_mirrored(model, outcome.method.config),
    )
    return write_bundle(folder, handover)


def _out_of_fold(view: TrainView, final: Selection) -> OutOfFold:
    """What the shipped model's answers for training items that it had not seen are kept for."""
    answers = final.out_of_fold(final.winner)
    rows = np.flatnonzero(np.isfinite(answers).all(axis=1))
    found, labels, groups = answers[rows], view.labels[rows], dependent(view.groups[rows])
    return OutOfFold(accept_grid(found, labels, groups), set_scores(found, labels, groups), reference(found, groups))


@dataclass(frozen=True)
class Delivered:
    """Size of the bundle, and the median milliseconds that it takes for one item, warm, decoding included."""

    size: int
    prediction_ms: float


def measure(folder: Path, task: Task) -> Delivered:
    """Open the bundle as a user would and time it."""
    bundle = Bundle.open(folder)
    raws = task.items.raws[:WITNESSES]
    bundle.predict(raws[:1])  # the first answer opens the engine
    times = []
    for raw in raws:
        start = perf_counter()
        bundle.predict([raw])
        times.append(1000 * (perf_counter() - start))
    return Delivered(sum(file.stat().st_size for file in folder.iterdir()), float(np.median(times)))


def take_apart(model: Model, shop: Workshop) -> Parts:
    """Graph, head and weights of a model; a tuned network is converted under the digest of its weights.

    A neck between body and head belongs to the graph, and its tensors stand beside the body's as `neck.NAME`; the head
    is the linear one behind it.
    """
    transform = model.backbone.transforms()[model.transform_name]
    if model.network is None:
        if model.head is None:
            raise TrainingError(f"The model on '{model.backbone.card.name}' has no head.")
        graph = model.backbone.graph(transform, shop.cache.graphs)
        return Parts(graph, model.head, model.backbone.own_weights())
    from keiki.engines.convert import convert
    from keiki.nn.network import head_of, trunk_weights

    weights = trunk_weights(model.network)
    key = digest({name: sha256_bytes(array.tobytes()) for name, array in weights.items()})
    if model.network.neck.changes:
        key = digest([key, type(model.network.neck).__name__])  # a neck need not have weights
    graph = convert(model.network.trunk, *model.backbone.examples(transform), key, shop.cache.graphs)
    return Parts(graph, head_of(model.network), weights)
