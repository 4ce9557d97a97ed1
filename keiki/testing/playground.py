"""An easy task with everything that a method's fit needs around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keiki.backbones.base import Backbone, load
from keiki.backbones.cache import Cache
from keiki.backbones.features import FeatureBank
from keiki.core.random import Randomness
from keiki.core.record import Listener, Record
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items, Modality, Part, Task, TrainView
from keiki.data.vectors import as_rows, vector_items
from keiki.engines.plan import Plan, make_plan
from keiki.methods.base import METHODS, FloatArray, Method, Model
from keiki.testing.tiny import CLASSES, easy_dataset, tiny_backbone
from keiki.training.checkpoint import Checkpoints
from keiki.training.trainer import Trainer


@dataclass
class Playground:
    """One easy task, a tiny backbone, a cache of its own."""

    task: Task
    backbone: Backbone
    cache: Cache
    plan: Plan
    folder: Path
    finished: dict[str, Model] = field(default_factory=dict)

    @property
    def view(self) -> TrainView:
        return self.task.training_view()

    @property
    def test(self) -> Items:
        return self.task.items.take(self.task.test)

    @property
    def test_labels(self) -> np.ndarray:
        return self.task.labels[self.task.test]

    def bank(self) -> FeatureBank:
        bank = FeatureBank(self.cache, self.plan, Record())
        bank.register(self.task.items)
        return bank

    def build(self, method: Method, seed: int = 0) -> Model:
        backbone = method.bring(self.backbone, Randomness(seed))
        return method.build(backbone, self.task.target, self.bank())

    def trained(self, name: str) -> Model:
        """What `train(small(name))` gives; trained once, so leave it as it is."""
        if name not in self.finished:
            self.finished[name] = self.train(small(name))
        return self.finished[name]

    def train(
        self,
        method: Method,
        *,
        view: TrainView | None = None,
        seed: int = 0,
        listeners: tuple[Listener, ...] = (),
        checkpoints: Path | None = None,
    ) -> Model:
        """Build and train; the same arguments give the same bits."""
        record = Record(listeners=listeners)
        kept = Checkpoints(checkpoints, "playground-identity", record) if checkpoints else None
        trainer = Trainer(Randomness(seed), record, checkpoints=kept)
        return trainer.run(method, self.build(method, seed), view or self.view)


def playground(modality: Modality, folder: Path) -> Playground:
    """A playground under `folder`."""
    vector = modality == "vector"
    dataset = easy_vectors() if vector else easy_dataset(modality, folder / "data")
    backbone = load("as-is") if vector else tiny_backbone(modality)
    task = make_task(dataset, val=None, test=None, seed=0)
    return Playground(task, backbone, Cache(folder / "cache"), make_plan(threads=1), folder)


def easy_vectors(n_each: int = 12, seed: int = 0) -> Dataset:
    """Three classes of rows (4,) with means of their own, on columns of unlike sizes; every fourth is a test item."""
    rng = np.random.default_rng(seed)
    labels = tuple(name for name in CLASSES for _ in range(n_each))
    means = 4 * np.eye(4)[[CLASSES.index(label) for label in labels]]
    values = (means + rng.normal(size=means.shape)) * [1, 1e3, 1e-3, 1] + [0, 1e4, 0, 2020]
    parts: tuple[Part, ...] = tuple("test" if i % 4 == 3 else "train" for i in range(len(labels)))
    ids = [f"{name}-{i}" for i, name in enumerate(labels)]
    return Dataset("easy", vector_items(as_rows(values, "easy").matrix, ids), labels, parts)


def small(name: str, **options: object) -> Method:
    """The method `name` with as little work as shows whether it keeps its promises, and further options."""
    kind = METHODS.get(name)
    names = {row.name for row in _rows(kind)}
    values = {"epochs": 4, "learning_rate": 3e-3, "head_rate": 3e-2, "batch_size": 8, "patience": 4, **options}
    return kind(kind.Config.from_json({key: value for key, value in values.items() if key in names}))


def weights_of(model: Model) -> dict[str, np.ndarray]:
    """All that a fit has decided, as arrays."""
    if model.network is not None:
        return model.state()[0]
    assert model.head is not None  # a trained model without a network has a head
    out: dict[str, np.ndarray] = {"weight": model.head.weight, "bias": model.head.bias}
    if model.out_of_fold is not None:
        out["out_of_fold"] = model.out_of_fold
    return out


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether two sets of arrays are equal, bit for bit."""
    return set(first) == set(second) and all(np.array_equal(first[n], second[n], equal_nan=True) for n in first)


def accuracy(model: Model, items: Items, labels: np.ndarray) -> float:
    logits: FloatArray = model.logits(items)
    return float((logits.argmax(axis=1) == labels).mean())


def _rows(kind: type[Method]) -> list:  # type: ignore[type-arg]
    from keiki.core.options import rows

    return rows(kind.Config)
