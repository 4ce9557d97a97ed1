"""What every fit inside a run shares: features, plan, randomness, record, and where checkpoints go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import keiki
from keiki.backbones.base import Backbone
from keiki.backbones.cache import Cache
from keiki.backbones.features import FeatureBank
from keiki.core.errors import TrainingError
from keiki.core.files import digest, read_json, sha256_file, write_json
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import Items, TrainView
from keiki.engines.plan import Plan
from keiki.methods.base import FloatArray, Method, Model
from keiki.training.checkpoint import Checkpoints
from keiki.training.trainer import Trainer

if TYPE_CHECKING:
    from keiki.training.pace import Pace


# What the first fit has decided, among its facts.
CHOSEN = ("recipe", "augmenting", "balance", "flips", "mix", "part", "parts", "preferred")


@dataclass
class Outcome:
    """A method after its fit on a view, with its answers.

    out_of_fold (N, C), test (M, C): logits, NaN rows where there are none. `model` is None where the answers were
    remembered from an earlier run. seconds: of fitting and answering.
    """

    method: Method
    out_of_fold: FloatArray
    test: FloatArray
    facts: dict[str, Any]
    trained_parameters: int
    seconds: float
    prediction_seconds: float  # per item, features included where they had to be computed
    model: Model | None = None

    @property
    def cut_short(self) -> bool:
        """Whether the clock has ended its training."""
        return any(curve.get("ended") == "time" for curve in self.facts.get("curves", ()))


@dataclass
class Workshop:
    """Fits methods on views; remembers what was solved before, content-addressed like the features."""

    backbone: Backbone
    cache: Cache
    bank: FeatureBank
    plan: Plan
    random: Randomness
    record: Record
    checkpoints: Path | None = None
    decisions: Path | None = None  # a JSON file, under whose key 'decided' stands what was decided by the clock
    device: str = "cpu"
    deadline: float | None = None  # on the clock of perf_counter: what trains then ends with its best so far
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bank.decided, self.bank.out_of_time = self.decided, self.out_of_time

    def out_of_time(self) -> bool:
        """Whether what trains should come to its end."""
        return self.deadline is not None and perf_counter() > self.deadline

    def outcome(self, method: Method, view: TrainView, test: Items) -> Outcome:
        """Fit `method` on `view` and let it answer for `test`; from memory where the same was done before.

        Not remembered is what trains a network that may ship: its checkpoints are its memory. Nor is what was made
        from a file that changed meanwhile.
        """
        if self.bank.changed or _is_trained_anew(method):
            return self.fit(method, view, test)
        backbone = method.bring(self.backbone, self.random)
        facts = self._facts(method, backbone, view, test)
        fresh: list[Outcome] = []

        def compute() -> dict[str, Any]:
            fresh.append(self.fit(method, view, test))
            return pack(fresh[0])

        arrays = self.cache.remember(facts, compute, keep=lambda: not (self.bank.changed or fresh[0].cut_short))
        return fresh[0] if fresh else self._recalled(method, backbone, view, arrays)

    def remembers(self, method: Method, view: TrainView, test: Items) -> bool:
        """Whether `outcome` would recall rather than fit."""
        if self.bank.changed or _is_trained_anew(method):
            return False
        backbone = method.bring(self.backbone, self.random)
        return self.cache.remembers(self._facts(method, backbone, view, test))

    def fit(self, method: Method, view: TrainView, test: Items) -> Outcome:
        """Fit `method` on `view` and let it answer for `test`."""
        start = perf_counter()
        backbone = method.bring(self.backbone, self.random)
        rows = self._rows(method, view.items)
        used = view if len(rows) == len(view) else view.subset(rows)
        model = self._trained(method, backbone, used)
        answered = perf_counter()
        answers = self._answers(method, model, test)
        end = perf_counter()
        self.seconds[method.name] = self.seconds.get(method.name, 0.0) + end - start
        return Outcome(
            method,
            _spread(model.out_of_fold, rows, len(view), view.n_classes),
            answers,
            model.facts,
            model.trained_parameters(),
            end - start,
            (end - answered) / max(1, len(test)),
            model,
        )

    def _trained(self, method: Method, backbone: Backbone, view: TrainView) -> Model:
        """A model that was fitted, once more on all items where the method asks for that.

        What is known of unseen items comes from the first fit, what ships from the second.
        """
        model = self._run(method, backbone, view)
        again = method.refitted(model, view)
        if again is None:
            return model
        try:
            whole = self._run(again, backbone, view)
        except TrainingError as problem:  # what the first fit has found stands
            self.record.event("not fitted again", method=method.name, reason=problem.what)
            return model
        if whole.facts["curves"][-1]["ended"] == "time":
            return model  # what was found at leisure is better than what was cut short
        whole.out_of_fold, whole.rehearsal = model.out_of_fold, model
        curves = [
            {**each, "phase": f"{each['phase']}, all items", "again": True} for each in whole.facts.get("curves", [])
        ]
        first = {name: model.facts[name] for name in CHOSEN if name in model.facts}
        whole.facts = {**model.facts, **whole.facts, **first, "curves": [*model.facts["curves"], *curves]}
        return whole

    def _run(self, method: Method, backbone: Backbone, view: TrainView) -> Model:
        model = method.build(backbone, view.target, self.bank)
        if not method.gradient:
            return Trainer(self.random.child(method.name), self.record).run(method, model, view)
        from keiki.training.pace import Pace

        may_ship = "control" not in method.tags  # small networks of controls are not worth timing
        trainer = Trainer(
            self.random.child(method.name),
            self.record,
            pace=Pace(threads=method.threads or self.plan.threads, device=self.device),
            find_pace=partial(self._pace, method) if may_ship else None,
            checkpoints=self._checkpoints(self.identity(method, backbone, view)),
            out_of_time=self.out_of_time,
        )
        return trainer.run(method, model, view)

    def _pace(self, method: Method, phase: str, find: Callable[[], Pace]) -> Pace:
        """How the steps of a descent are computed: found once a run, because other ways give other last bits."""
        from keiki.training.pace import Pace

        question = f"pace of {method.name}, {phase}"
        return Pace.from_json(json.loads(self.decided(question, lambda: json.dumps(find().to_json()))))

    def identity(self, method: Method, backbone: Backbone, view: TrainView) -> str:
        """Digest of all that the fit of `method` on `view` depends on."""
        return digest(
            {
                "code": code_digest(),
                "method": method.name,
                "config": method.config.to_json(),
                "backbone": backbone.card.digest,
                "plan": self.plan.to_json(),
                "seed": self.random.seed,
                "registered": self.bank.registered,
                "items": list(view.items.digests),
                "labels": view.labels.tolist(),
                "folds": view.folds.tolist(),
                "classes": list(view.target.classes),
            }
        )

    def decided(self, question: str, decide: Callable[[], str]) -> str:
        """The answer of `decide`, which depends on the clock: asked once, and the same after a resume."""
        if self.decisions is None:
            return decide()
        known = self._plan().get("decided", {})
        if question in known:
            return str(known[question])
        answer = decide()
        plan = self._plan()  # read again: other questions may have come up in between
        plan.setdefault("decided", {})[question] = answer
        write_json(self.decisions, plan)
        return answer

    def _plan(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.decisions) if self.decisions and self.decisions.is_file() else {}
        return found

    def _facts(self, method: Method, backbone: Backbone, view: TrainView, test: Items) -> dict[str, str]:
        return {"identity": self.identity(method, backbone, view), "test": digest(list(test.digests))}

    def _recalled(self, method: Method, backbone: Backbone, view: TrainView, arrays: Mapping[str, Any]) -> Outcome:
        """The remembered outcome; with its model where head and cached features are all there is to it."""
        outcome, values = unpack(method, arrays)
        if not (backbone.direct or method.gradient):
            outcome.model = method.build(backbone, view.target, self.bank)
            outcome.model.restore(_part(arrays, "model/"), values)
        return outcome

    def _answers(self, method: Method, model: Model, test: Items) -> FloatArray:
        out = np.full((len(test), len(model.target.classes)), np.nan)
        rows = self._rows(method, test)
        if len(rows):
            out[rows] = model.logits(test.take(rows))
        return out

    def _rows(self, method: Method, items: Items) -> Any:
        if method.max_items is None or len(items) <= method.max_items:
            return np.arange(len(items))
        return np.sort(self.bank.sample(items, method.max_items))

    def _checkpoints(self, identity: str) -> Checkpoints | None:
        return None if self.checkpoints is None else Checkpoints(self.checkpoints, identity, self.record)


def _is_trained_anew(method: Method) -> bool:
    return method.gradient and "control" not in method.tags


@cache
def code_digest() -> str:
    """Digest of all code below this floor: what was remembered by other code is not remembered."""
    root = Path(keiki.__file__).parent
    floors = ("core", "data", "engines", "nn", "backbones", "methods", "training")
    files = sorted(path for floor in floors for path in (root / floor).rglob("*.py"))
    return digest([[path.relative_to(root).as_posix(), sha256_file(path)] for path in files])


def pack(outcome: Outcome) -> dict[str, Any]:
    """An outcome as arrays; of its model the head, and no network."""
    model = outcome.model
    arrays, values = ({}, {}) if model is None or model.network is not None else model.state()
    facts = {
        "outcome": {
            "facts": outcome.facts,
            "trained_parameters": outcome.trained_parameters,
            "seconds": outcome.seconds,
            "prediction_seconds": outcome.prediction_seconds,
        },
        "model": values,
    }
    text = np.frombuffer(json.dumps(facts, allow_nan=False).encode(), dtype=np.uint8)
    kept = {f"model/{name}": array for name, array in arrays.items()}
    return {"out_of_fold": outcome.out_of_fold, "test": outcome.test, "facts": text, **kept}


def unpack(method: Method, arrays: Mapping[str, Any]) -> tuple[Outcome, dict[str, Any]]:
    """The outcome that `pack` packed, without its model, and the plain values of that."""
    facts = json.loads(bytes(np.asarray(arrays["facts"], dtype=np.uint8)))
    outcome = Outcome(method, np.array(arrays["out_of_fold"]), np.array(arrays["test"]), **facts["outcome"])
    return outcome, facts["model"]


def _part(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): np.array(array) for name, array in arrays.items() if name.startswith(prefix)}


def _spread(logits: FloatArray | None, rows: Any, n: int, n_classes: int) -> FloatArray:
    out = np.full((n, n_classes), np.nan)
    if logits is not None:
        out[rows] = logits
    return out
