"""`--dry-run`: everything that is known before training, and what the fit would cost. Nothing is trained or written,
but for what a fit would find in the cache anyway."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keiki.backbones.base import Backbone
from keiki.backbones.cache import Cache, open_cache
from keiki.backbones.features import FeatureBank
from keiki.backbones.passes import Engines, Network
from keiki.core.errors import UnreadableItem
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.load import Pieces
from keiki.data.near import Alike
from keiki.data.task import Items, Task
from keiki.engines.plan import Plan, make_plan
from keiki.evaluation.report import sentences, words
from keiki.methods.base import Method
from keiki.pipeline.evidence import find_metric
from keiki.pipeline.findings import GroupHint
from keiki.pipeline.forecast import forecast
from keiki.pipeline.health import column_hints, guessed_hints, told
from keiki.pipeline.method import make_method, refuse_modality, refuse_unfit
from keiki.pipeline.prepare import (
    Seen,
    choose_backbone,
    choose_controls,
    datasets,
    first_pass,
    look,
    near_copies,
    read_all,
    register,
)
from keiki.pipeline.request import FitRequest
from keiki.selection.workshop import Workshop

TIMED = 24  # items that are shown to each backbone to time it
SKIPPED = 20  # items that are listed
SHOWN = 3  # of them in the lines for people


@dataclass(frozen=True)
class Preview:
    """What `dry_run` found out, as plain JSON values."""

    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return self.facts

    def lines(self) -> tuple[str, ...]:
        """The same for people."""
        task, seconds = self.facts["task"], self.facts["seconds"]
        noun = sentences.noun(task["modality"])
        lines = [
            f"{words.count(task['n'])} {noun} of {len(task['classes'])} classes: "
            + ", ".join(f"{each['name']} ({each['n']})" for each in task["classes"][:8])
            + (", ..." if len(task["classes"]) > 8 else ""),
            f"judged by: {task['judged_by']}",
            *(f"note: {note}" for note in self.facts["notes"]),
            *self._copies(noun),
            *self._skipped(),
            *(f"watch: {each['what']} {each['remedy']}" for each in self.facts["warnings"]),
            *(_hinted(each) for each in self.facts["hints"]),
            f"with: {self.facts['backbone']}, {self.facts['method']}; controls: "
            + (", ".join(self.facts["controls"]) or "none"),
            *self._cost(seconds),
        ]
        return tuple(lines)

    def _cost(self, seconds: dict[str, float]) -> list[str]:
        there = f", {words.percent(self.facts['cached'])} of them there already" if self.facts["cached"] else ""
        stages = {
            f"features{there}": seconds["features"],
            "fitting": seconds["fit"],
            "controls": seconds["controls"],
            "bundle and report": seconds["report"],
        }
        parts = ", ".join(f"{name} {words.seconds(value)}" for name, value in stages.items() if value >= 0.1)
        lines = [f"cost: about {words.seconds(seconds['total'])}, give or take a factor of two ({parts})"]
        if self.facts["untold"]:
            lines.append(
                f"cost: training by {', '.join(self.facts['untold'])} comes on top; nobody knows its time before"
            )
        if self.facts["budget"] is not None:
            lines.append(
                f"cost: fine-tuning comes on top where it fits into {words.seconds(self.facts['budget'])} in all"
            )
        return lines

    def _skipped(self) -> list[str]:
        found = self.facts["skipped"]
        lines = [f"skipped: {each['id']} ({each['reason']})" for each in found["first"][:SHOWN]]
        more = found["n"] - len(lines)
        return [*lines, f"skipped: and {more} more, {found['n']} in all"] if more > 0 else lines

    def _copies(self, noun: str) -> list[str]:
        found = self.facts["copies"]
        lines = []
        if found["exact_sets"]:
            exact = words.of(found["exact_sets"], "sets")
            lines.append(f"copies: {exact} of exact copies ({words.of(found['exact_items'], noun)})")
        if found["near_sets"] is None:
            lines.append("copies: near copies are looked for when the features are there")
        elif found["near_sets"]:
            near = words.of(found["near_sets"], "sets")
            lines.append(f"copies: {near} of near copies ({words.of(found['near_items'], noun)}), kept together")
        return lines


def dry_run(request: FitRequest, cache: Cache | None = None, plan: Plan | None = None) -> Preview:
    """Read and split the data, time the backbone on a few items, and say what a fit would do.

    Near copies of pictures, and pictures that cannot be decoded, are known only as far as an earlier run has looked.
    Raises what a fit would raise before training.
    """
    cache, plan, random = cache or open_cache(), plan or make_plan(), Randomness(request.seed)
    pieces = read_all(request)
    modality = pieces.data.items.modality
    method = make_method(request)
    refuse_modality(method, modality)
    backbone = choose_backbone(request, modality)
    bank = FeatureBank(cache, plan, Record())
    controls = choose_controls(request, modality, method, backbone)
    asked = first_pass(backbone, controls, random)
    items = _all(pieces)
    register(pieces, bank)
    missing = bank.missing(items, asked)
    seen = _seen(pieces, bank, backbone, controls, random, whole=not any(missing))
    task = (seen or Seen(pieces, Alike())).task(request.seed, request.near_copies)
    find_metric(request.metric, request.positive, task)
    refuse_unfit(method, backbone, task.target, bank)
    sample = items.take(np.sort(random.numpy("dry run").permutation(len(items))[:TIMED]))

    @functools.cache
    def seconds(network: Backbone, name: str | None) -> float:
        return seconds_an_item(network, name, sample, cache, plan)

    first = sum(n * seconds(*each) if n else 0.0 for each, n in zip(asked, missing, strict=True))
    shop = Workshop(backbone, cache, bank, plan, random, Record())
    cost = forecast(task, first, method, controls, shop, seconds, request.samples)
    return Preview(
        {
            "task": _task(task),
            "backbone": backbone.card.name,
            "method": request.method,
            "controls": [method.name for method in controls],
            "notes": list(task.notes),
            "warnings": list(task.warnings),
            "skipped": _skipped(task),
            "copies": _copies(task, None if seen is None else seen.alike),
            "hints": [_plain(hint) for hint in _hints(task)],
            "cached": 1 - sum(missing) / max(1, len(missing) * len(set(items.digests))),
            "seconds": cost.to_json(),
            "untold": list(cost.untold),
            "budget": request.budget,
        }
    )


def seconds_an_item(backbone: Backbone, transform_name: str | None, sample: Items, cache: Cache, plan: Plan) -> float:
    """Measured seconds to prepare and pass one item, the mean over `sample`; preparing runs on all threads."""
    transform = backbone.transform if transform_name is None else backbone.transforms()[transform_name]
    network = Network("timing", backbone, transform, Engines(plan, cache))
    network.open()
    start = time.perf_counter()
    prepared = []
    for raw in sample.raws:
        try:
            prepared.append(transform.prepare(raw))
        except UnreadableItem:
            continue
    preparing = (time.perf_counter() - start) / plan.threads
    if not prepared:
        return 0.0
    prepared = sorted(prepared, key=transform.cost)
    network.run(prepared[:2])  # the first call of an engine takes longer
    start = time.perf_counter()
    for first in range(0, len(prepared), plan.batch_size):
        network.run(prepared[first : first + plan.batch_size])
    return (preparing + time.perf_counter() - start) / len(prepared)


def _seen(
    pieces: Pieces, bank: FeatureBank, backbone: Backbone, controls: Sequence[Method], random: Randomness, whole: bool
) -> Seen | None:
    """What looking at the items tells; None where it is not known without a pass through the backbone."""
    if whole and not backbone.direct:
        return look(pieces, bank, backbone, controls, random, Record())
    if pieces.data.items.modality == "image":
        return None
    return Seen(pieces, near_copies(pieces, bank, backbone, random))


def _all(pieces: Pieces) -> Items:
    parts = datasets(pieces)
    items = parts[0].items
    for part in parts[1:]:
        items = items + part.items
    return items


def _task(task: Task) -> dict[str, Any]:
    counts = np.bincount(task.labels, minlength=len(task.target.classes))
    folds = len(np.unique(task.outer[0][task.outer[0] >= 0])) if len(task.outer) else 0
    repeats = f", drawn {len(task.outer)} times" if len(task.outer) > 1 else ""
    judged = {
        "given": f"the {words.of(len(task.test), 'test items')} given",
        "held-out": f"{words.of(len(task.test), 'items')} kept apart",
        "nested": f"{folds}-fold cross-validation of the whole procedure{repeats}",
    }
    return {
        "name": task.name,
        "modality": task.modality,
        "n": len(task.items),
        "classes": [{"name": name, "n": int(n)} for name, n in zip(task.target.classes, counts, strict=True)],
        "train": len(task.train),
        "val": len(task.val),
        "test": len(task.test),
        "split": task.protocol,
        "judged_by": judged[task.protocol],
    }


def _skipped(task: Task) -> dict[str, Any]:
    lost = [each for each in task.skipped if not each.foreign]
    return {"n": len(lost), "first": [{"id": each.id, "reason": each.reason} for each in lost[:SKIPPED]]}


def _copies(task: Task, alike: Alike | None) -> dict[str, int | None]:
    counts = np.unique(np.array(task.items.digests), return_counts=True)[1]
    known = None if alike is None else [key for key in map(alike.keys.get, task.items.digests) if key is not None]
    return {
        "exact_sets": int((counts > 1).sum()),
        "exact_items": int(counts[counts > 1].sum()),
        "near_sets": None if known is None else len(set(known)),
        "near_items": None if known is None else len(known),
    }


def _hints(task: Task) -> list[GroupHint]:
    if task.declared is not None:
        return []
    labels = [task.target.classes[c] for c in task.labels]
    guessed = guessed_hints(task, labels, ())
    return [*(told(hint, task.items.ids) for hint in guessed), *column_hints(task)]


def _plain(hint: GroupHint) -> dict[str, Any]:
    return {
        "how": hint.how,
        "name": hint.name,
        "groups": hint.n_groups,
        "items": hint.n_items,
        "examples": list(hint.examples),
        "option": hint.option,
    }


def _hinted(hint: dict[str, Any]) -> str:
    does = f"; to keep them together: {hint['option']}" if hint["option"] else ""
    return f"groups? {hint['name']} makes {hint['groups']} groups ({', '.join(hint['examples'])}, ...){does}"
