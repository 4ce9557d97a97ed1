"""One pass over a few items: each is read and decoded once and feeds every network that asked for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

import numpy as np
from PIL import Image

from keiki.backbones.base import Backbone, Features
from keiki.backbones.cache import Cache
from keiki.core.errors import KeikiError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.batches import cuts
from keiki.data.facts import Fact, image_fact, text_fact
from keiki.data.picture import DETAIL, decode, read_file
from keiki.data.task import Raw
from keiki.data.transforms.base import Array, Transform
from keiki.engines.base import Engine
from keiki.engines.plan import Plan

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


@runtime_checkable
class PictureTransform(Protocol):
    """A transform that can start from a decoded picture; decoded with its own `detail`, where it has one."""

    def from_picture(self, image: Image.Image) -> Array: ...


class Engines:
    """The engines of a bank, each made when it is first needed, and kept until the pass is over.

    Transforms that lead into the same graph share one: an engine's working memory is several hundred MB.
    """

    def __init__(self, plan: Plan, cache: Cache) -> None:
        self._plan = plan
        self._cache = cache
        # backbone and transform, held so that no other object gets their ids -> what their engine was made from
        self._sources: dict[tuple[int, int], tuple[Backbone, Transform, str]] = {}
        self._engines: dict[str, Engine] = {}

    def of(self, backbone: Backbone, transform: Transform) -> Engine:
        """The engine for prepared items of `transform`."""
        asked = (id(backbone), id(transform))
        if asked not in self._sources:
            self._sources[asked] = (backbone, transform, self._open(backbone, transform))
        return self._engines[self._sources[asked][-1]]

    def release(self) -> None:
        """Close all engines; one that is needed again is opened again, in about 50 ms."""
        self._sources.clear()
        self._engines.clear()

    def _open(self, backbone: Backbone, transform: Transform) -> str:
        if self._plan.engine == "torch":
            from keiki.engines.torch import TorchEngine

            source = f"{backbone.card.name} {backbone.card.digest}"
            if source not in self._engines:
                self._engines[source] = TorchEngine(backbone.module(), self._plan.threads)
            return source
        from keiki.engines.onnx import OnnxEngine

        graph = backbone.graph(transform, self._cache.graphs)
        if graph is None:
            raise KeikiError(f"Backbone '{backbone.card.name}' gave no graph for the engine 'onnx'.")
        if str(graph) not in self._engines:
            self._engines[str(graph)] = OnnxEngine(graph, self._plan.threads)
        return str(graph)


class Network:
    """A backbone behind one of its transforms; `name` is the digest of all that decides its features but the items."""

    def __init__(self, name: str, backbone: Backbone, transform: Transform, engines: Engines) -> None:
        self.name = name
        self.backbone = backbone
        self.transform = transform
        self._engines = engines

    @property
    def _has_graph(self) -> bool:
        return type(self.backbone).graph is not Backbone.graph

    def open(self) -> None:
        """Make the engine ready: converting a network changes process-wide settings, so no thread may run beside it."""
        if self._has_graph:
            self._engines.of(self.backbone, self.transform)

    def run(self, prepared: Sequence[Array]) -> Features:
        """Features (B, D) of prepared items."""
        inputs = self.transform.collate(prepared)
        if not self._has_graph:  # without a network what is prepared are the features
            output = inputs["features"] if "features" in inputs else next(iter(inputs.values()))
        else:
            output = self._engines.of(self.backbone, self.transform).run(inputs)
        return np.asarray(output, dtype=np.float32).reshape(len(prepared), -1)


@dataclass(frozen=True)
class Reading:
    """One item as all that asked for it see it.

    prepared: what each transform made of it, or the reason why it could not. fact: what the file or text itself tells,
    whoever asked. same: the content is still what the item's digest says.
    """

    prepared: tuple[Array | str, ...]
    fact: Fact
    same: bool


def read(raw: Raw, content: str, transforms: Sequence[Transform]) -> Reading:
    """Read `raw` once, decode it once (pictures: once for each `detail`), prepare it for all `transforms`."""
    if not isinstance(raw, Path):
        fact = text_fact(raw) if isinstance(raw, str) else Fact()
        if fact.error is not None:
            return Reading((fact.error,) * len(transforms), fact, same=True)
        return Reading(tuple(_attempt(transform.prepare, raw) for transform in transforms), fact, same=True)
    try:
        data = read_file(raw)
    except UnreadableItem as error:
        return Reading((error.reason,) * len(transforms), Fact(error=error.reason), same=sha256_bytes(b"") == content)
    same = sha256_bytes(data) == content
    fact, image = image_fact(data)
    if image is None:
        return Reading((fact.error or "",) * len(transforms), fact, same)
    images = {DETAIL: image}
    return Reading(tuple(_attempt(_prepare, each, raw, data, images) for each in transforms), fact, same)


def _prepare(transform: Transform, path: Path, data: bytes, images: dict[int, Image.Image]) -> Array:
    if not isinstance(transform, PictureTransform):
        return transform.prepare(path)
    detail = int(getattr(transform, "detail", DETAIL))
    if detail not in images:
        images[detail] = decode(data, detail)
    return transform.from_picture(images[detail])


def _attempt(prepare: Callable[P, Array], *args: P.args, **kwargs: P.kwargs) -> Array | str:
    try:
        return prepare(*args, **kwargs)
    except UnreadableItem as error:
        return error.reason


def in_order(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """`map` over a pool that never runs more than `ahead` items ahead of its reader, so that memory stays flat."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@dataclass
class Feed:
    """Prepared items of one shard on their way through one network, in batches that depend on the shard alone.

    Items of like cost share a batch; where a transform knows no cost, batches are run as soon as they are full, which
    gives the same batches and holds fewer arrays. A row of its own is run twice, since a network may take other kernels
    at batch size 1.
    """

    network: Network
    batch_size: int
    batch_cost: int
    waiting: list[tuple[int, int, Array]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    outputs: list[Features] = field(default_factory=list)

    def add(self, row: int, prepared: Array) -> None:
        """Take the item that stands at `row` of the shard; rows come in rising order."""
        self.waiting.append((self.network.transform.cost(prepared), row, prepared))
        if type(self.network.transform).cost is Transform.cost and len(self.waiting) == self.batch_size:
            self._run()

    def features(self, n: int) -> Features:
        """Features (n, D) of the whole shard; rows that never came are 0."""
        self._run()
        width = self.outputs[0].shape[1] if self.outputs else self.network.backbone.card.width
        features = np.zeros((n, width), dtype=np.float32)
        if self.outputs:
            features[self.rows] = np.concatenate(self.outputs)
        return features

    def _run(self) -> None:
        waiting = sorted(self.waiting, key=lambda item: item[:2])
        self.waiting = []
        for part in cuts([cost for cost, _, _ in waiting], self.batch_size, self.batch_cost):
            batch = [prepared for _, _, prepared in waiting[part]]
            self.outputs.append(self.network.run(batch if len(batch) > 1 else batch * 2)[: len(batch)])
            self.rows += [row for _, row, _ in waiting[part]]
