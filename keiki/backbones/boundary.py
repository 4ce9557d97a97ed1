"""Activations at the border of what is frozen: computed once, kept in the cache, read batch by batch.

The border is a stage; what lies below it never moves, so its answer for an item (the clean one, and each of some
augmented variants) is the same in every epoch. Shards are those of the feature bank: folds and later fits share them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from keiki.backbones.base import Backbone
from keiki.backbones.cache import Held
from keiki.backbones.features import FeatureBank, Shard
from keiki.backbones.passes import in_order
from keiki.backbones.stages import stage_parameters
from keiki.core.errors import DataError, KeikiError, UnreadableItem
from keiki.core.files import digest, sha256_bytes, sha256_file
from keiki.core.random import Randomness
from keiki.data.augment.base import Augment
from keiki.data.batches import cuts
from keiki.data.task import Items, Raw
from keiki.data.transforms.base import Array, Transform
from keiki.engines.base import Engine

if TYPE_CHECKING:
    from torch import nn

    from keiki.nn.boundary import Cut

FORMAT = 1
VALUES, ENDS = "values.npy", "ends.npy"
EXACT = 1e-6  # of the features and of every gradient above the cut
DEFAULT_CAP = 4 * 2**30  # bytes of disk for the activations of one border

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Border:
    """Where the frozen part of a network ends, and which variants of an item are kept there.

    depth: number of frozen stages. transform: name of the backbone's preprocessing. variants: what draws the augmented
    ones, and how many; variant 0 is the item as it is.
    """

    backbone: Backbone
    transform_name: str
    depth: int
    augment: Augment | None = None
    variants: int = 0

    @cached_property
    def transform(self) -> Transform:
        return self.backbone.transforms()[self.transform_name]

    @property
    def stages(self) -> list[tuple[str, ...]]:
        return [stage.modules for stage in self.backbone.stages()[: self.depth]]

    def prepared(self, raw: Raw, content: str, variant: int) -> Array:
        """A variant of an item, ready for `transform.collate`; it follows from the item's content alone."""
        if variant == 0 or self.augment is None:
            return self.transform.prepare(raw)
        return self.augment.draw(self.augment.source.prepare(raw), Randomness(0).numpy("variant", variant, content))

    def name(self, variant: int) -> dict[str, Any]:
        """What decides the activations of a variant, but for the items and the plan."""
        return {
            "format": FORMAT,
            "backbone": [self.backbone.card.name, self.backbone.card.digest],
            "transform": self.transform.to_json(),
            "files": {name: sha256_bytes(data) for name, data in self.transform.files().items()},
            "stages": [list(names) for names in self.stages],
            "reader": FeatureBank.reader(self.backbone.card.modality),
            "variant": [variant, *self._drawn] if variant else 0,
        }

    @property
    def _drawn(self) -> list[Any]:
        """What decides how a variant is drawn; a representation leaves out large fields such as a tokenizer."""
        source = None if self.augment is None else self.augment.source.to_json()
        return [repr(self.augment), source, {package: _version(package) for package in ("torch", "torchvision")}]


class Boundary:
    """The kept activations of one border, for the items that a bank has registered.

    `why_not` says why there is none, and is empty where there is: the network cannot be cut there exactly, its lower
    part does not convert, or `cap` (bytes) or the cache does not hold it. It is found out on first use, which takes
    seconds, and asked through `bank.decided`, because a cache without a cap of its own goes by the free disk: a run
    that is resumed must not change its mind. `cut_short` says what `ensure` has left out for want of time.
    """

    def __init__(self, border: Border, bank: FeatureBank, body: nn.Module, cap: int = DEFAULT_CAP) -> None:
        self.border = border
        self._bank = bank
        self._body = body
        self._cap = cap
        self._held: dict[tuple[str, int], _Rows] = {}
        self._known: dict[tuple[str, int], int] = {}
        self.cut_short = ""
        self.note: Callable[[str], None] = lambda told: None  # is told of `cut_short`

    @cached_property
    def why_not(self) -> str:
        return self._bank.decided(f"{self._name}, why not", self._reason)

    @cached_property
    def _name(self) -> str:
        """What its decisions are filed under."""
        border = self.border
        decisive = [self._checked(), border.name(border.variants), border.variants, self._cap]
        named = digest([decisive, self._bank.registered, self._bank.plan.to_json()])
        return f"boundary after {border.depth} stages of {border.backbone.card.name}, {named[:16]}"

    def _reason(self) -> str:
        from keiki.nn.boundary import OddForward

        try:
            problem = str(self._bank.cache.remember_json(self._checked(), self._problem))
            return problem or self._too_large() or self._unconverted()
        except OddForward as failed:  # not remembered beyond this run: memory may have run out
            return failed.what

    def _too_large(self) -> str:
        room = min(self._cap, self._bank.cache.cap_bytes // 2)
        if self.size > room:
            return f"it takes {self.size / 2**30:.1f} GiB of disk, and {room / 2**30:.1f} GiB are allowed"
        return ""

    def _unconverted(self) -> str:
        """Why the lower part does not convert, or nothing."""
        if self._bank.plan.engine == "torch":
            return ""
        from keiki.engines.onnx import REFUSED

        graphs = self._bank.cache.graphs  # if it cannot be written, that is no fault of the network
        try:
            self._graph(graphs)
        except (KeikiError, RuntimeError, *REFUSED) as problem:
            return f"what lies below does not convert: {problem.what if isinstance(problem, KeikiError) else problem}"
        return ""

    def _checked(self) -> dict[str, Any]:
        """What decides whether the cut is exact."""
        names = {name: list(tensor.shape) for name, tensor in self._body.state_dict().items()}
        versions = {package: version(package) for package in ("torch", "timm", "transformers")}
        return {"cut": self.border.name(0), "network": digest(names), "versions": versions}

    def _problem(self) -> str:
        """Why the network cannot be cut here, or nothing: measured, once for a network and a place."""
        from keiki.nn.boundary import NoBoundary, difference

        _, witness = self.border.backbone.examples(self.border.transform)
        try:
            gap = difference(self._body, self.cut, witness, self._above)
        except NoBoundary as problem:
            return problem.what
        return "" if gap <= EXACT else f"the network above the cut differs by {gap:.0e}"

    @property
    def _above(self) -> set[str]:
        """Names of the body's parameters that are not frozen with the stages below."""
        below = [stage_parameters(self._body, s) for s in self.border.backbone.stages()[: self.border.depth]]
        return {name for name, _ in self._body.named_parameters()} - {name for stage in below for name in stage}

    @cached_property
    def cut(self) -> Cut:
        """Where and how the network is cut; raises NoBoundary and OddForward."""
        from keiki.nn.boundary import cut

        example, witness = self.border.backbone.examples(self.border.transform)
        return cut(self._body, self.border.stages, example, witness)

    @property
    def bytes_an_item(self) -> int:
        """Of one item and variant; where lengths differ, of the longest."""
        longest = getattr(self.border.transform, "max_length", 1)
        sizes = [longest if follows else n for follows, n in zip(self.cut.axes[1:], self.cut.shape[1:], strict=True)]
        return 4 * prod(sizes)

    @property
    def size(self) -> int:
        """Bytes of all registered items with all variants, at most."""
        return self.bytes_an_item * self._bank.n_registered * (1 + self.border.variants)

    def facts(self) -> dict[str, Any]:
        """What a report says of it."""
        told = {"stages": self.border.depth, "variants": self.border.variants, "why_not": self.why_not}
        short = {"cut_short": self.cut_short} if self.cut_short else {}
        return told if self.why_not else {**told, "bytes_an_item": self.bytes_an_item, "bytes": self.size, **short}

    def ensure(self, items: Items, variants: int | None = None) -> int:
        """Compute what is missing for the shards of `items`: the clean variant and so many augmented ones (all).

        Returns how many variants there are of all `items`, the clean one counted: fewer where `bank.out_of_time` said
        so on the way, 0 where not even that one is whole. It stays at that answer, after a resume too.
        """
        wanted = 1 + (self.border.variants if variants is None else variants)
        asked = (digest(list(items.digests)), wanted)
        if asked not in self._known:
            question = f"{self._name}, variants of {asked[0][:16]} out of {wanted}"
            found = int(self._bank.decided(question, lambda: str(self._fill(items, wanted, self._bank.out_of_time))))
            self._fill(items, found, lambda: False)  # after a resume something may be gone
            self._known[asked] = found
            if found < wanted:
                self._tell(found, wanted, len(items))
        return self._known[asked]

    def _fill(self, items: Items, wanted: int, stop: Callable[[], bool]) -> int:
        """Variant after variant, shard by shard, until `stop`; returns how many variants are whole."""
        shards = [shard for shard, _, _ in self._bank.parts(items)]
        missing = [(shard, v) for v in range(wanted) for shard in shards if not self._has(shard, v)]
        engine: Engine | None = None
        for number, (shard, variant) in enumerate(missing):
            if stop():
                return variant
            engine = engine or self._open()
            self._bank.cache.put("features", self._key(shard, variant), self._compute(engine, shard, variant))
            self._bank.record.progress("frozen part", number + 1, len(missing))
        return wanted

    def _tell(self, found: int, wanted: int, n: int) -> None:
        told = f"time ran out: {found} of {wanted} variants of {n} items are kept"
        if told not in self.cut_short:
            self.cut_short = "; ".join(filter(None, [self.cut_short, told]))
        self._bank.record.event("boundary cut short", variants=found, of=wanted, items=n)
        self.note(self.cut_short)

    def rows(self, items: Items, variant: int) -> list[Floats]:
        """The activation of each item: mapped read-only, so copy before anything works on it in place."""
        out: list[Floats | None] = [None] * len(items)
        for shard, positions, rows in self._bank.parts(items):
            kept = self._rows_of(shard, variant)
            for position, row in zip(positions.tolist(), rows.tolist(), strict=True):
                out[position] = kept.of(row)
        return [row for row in out if row is not None]

    def _key(self, shard: Shard, variant: int) -> str:
        return digest(["boundary", shard.name, self.border.name(variant), self._bank.plan.to_json()])

    def _has(self, shard: Shard, variant: int) -> bool:
        if (shard.name, variant) in self._held:
            return True
        held = self._bank.cache.get("features", self._key(shard, variant))
        if held is None:
            return False
        self._held[shard.name, variant] = _Rows(held)
        return True

    def _rows_of(self, shard: Shard, variant: int) -> _Rows:
        if not self._has(shard, variant):
            raise KeikiError(
                "The cache has dropped activations that a training run reads.",
                hint="Give it more room, or train without: --set boundary=off",
            )
        return self._held[shard.name, variant]

    def _open(self) -> Engine:
        """The engine of the lower part."""
        from keiki.nn.boundary import lower

        plan = self._bank.plan
        if plan.engine == "torch":
            from keiki.engines.torch import TorchEngine

            return TorchEngine(lower(self.border.backbone.module(), self.cut.last), plan.threads)
        from keiki.engines.onnx import OnnxEngine

        return OnnxEngine(self._graph(self._bank.cache.graphs), plan.threads)

    def _graph(self, folder: Path) -> Path:
        """The lower part as a graph, converted once."""
        from keiki.engines.convert import convert
        from keiki.nn.boundary import lower

        backbone, last = self.border.backbone, self.cut.last
        identity = digest({"lower part": last, "of": backbone.card.digest, "format": FORMAT})
        example, witness = backbone.examples(self.border.transform)
        return convert(lambda: lower(backbone.module(), last), example, witness, identity, folder)

    def _compute(self, engine: Engine, shard: Shard, variant: int) -> dict[str, bytes]:
        """The files of one shard and variant; an item that cannot be read has no values."""
        transform = self.border.transform
        prepared = list(self._prepared(shard, variant))
        order = sorted(
            (i for i, each in enumerate(prepared) if each is not None),
            key=lambda i: (transform.cost(_some(prepared[i])), i),
        )
        found: dict[int, Floats] = {}
        plan = self._bank.plan
        for part in cuts([transform.cost(_some(prepared[i])) for i in order], plan.batch_size, plan.batch_cost):
            rows = order[part]
            batch = [_some(prepared[i]) for i in rows]
            inputs = transform.collate(batch if len(batch) > 1 else batch * 2)
            answers = engine.run(inputs)
            lengths = [transform.cost(each) if self._is_ragged else None for each in batch]
            found |= {row: answers[at][:n] for at, (row, n) in enumerate(zip(rows, lengths, strict=True))}
        return self._packed(found, len(prepared))

    def _prepared(self, shard: Shard, variant: int) -> Iterator[Array | None]:
        def attempt(item: tuple[Raw, str]) -> Array | None:
            try:
                _refuse_changed(*item)
                return self.border.prepared(*item, variant)
            except UnreadableItem:
                return None  # it was counted and listed when it was first looked at, and is asked for by nobody

        pairs = zip(shard.items.raws, shard.items.digests, strict=True)
        with ThreadPoolExecutor(self._bank.plan.threads) as pool:
            yield from in_order(pool, attempt, pairs, 2 * self._bank.plan.batch_size)

    @property
    def _is_ragged(self) -> bool:
        return "length" in self.cut.axes

    def _packed(self, found: dict[int, Floats], n: int) -> dict[str, bytes]:
        """Items one behind the other, along their length where they have one."""
        whole = [found.get(row) for row in range(n)]
        parts = [each if self._is_ragged else each[None] for each in whole if each is not None]
        counts = [0 if each is None else len(each) if self._is_ragged else 1 for each in whole]
        values = np.concatenate(parts) if parts else np.zeros((0,), dtype=np.float32)
        return {VALUES: _npy(values), ENDS: _npy(np.cumsum(counts))}


class _Rows:
    """One shard of activations, mapped: it can be read on even if the cache drops the entry meanwhile."""

    def __init__(self, held: Held) -> None:
        with held:
            self._values: Floats = held.array(VALUES)
            self._ends = np.array(held.array(ENDS))

    def of(self, row: int) -> Floats:
        return self._values[int(self._ends[row - 1]) if row else 0 : int(self._ends[row])]


def padded(rows: Sequence[Floats], ragged: bool) -> Floats:
    """Activations of a batch (B, ...) in an array of its own: shorter ones end in zeros.

    >>> padded([np.ones((1, 2), np.float32), np.ones((2, 2), np.float32)], ragged=True)[0].tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if not ragged:
        return np.concatenate(rows)
    out = np.zeros((len(rows), max(map(len, rows)), *rows[0].shape[1:]), dtype=np.float32)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out


def _refuse_changed(raw: Raw, content: str) -> None:
    """Raise DataError where a file is no longer what it was: its activation would be kept under another's name."""
    if isinstance(raw, Path) and sha256_file(raw) != content:
        raise DataError(f"'{raw}' has changed since it was first read.", hint="Begin anew.")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _some(prepared: Array | None) -> Array:
    assert prepared is not None  # those that cannot be read are left out before
    return prepared
