"""Features, once: what a frozen backbone says of every item, computed in fixed shards and kept in the cache.

A full list of items is registered first: its distinct items, ordered by digest, are cut into shards. A shard is
computed as a whole or not at all, in batches that depend on its content alone. So the bits of a row depend on (content
of its shard, backbone, transform, plan) and never on what else is cached or asked for; and since digests are random,
the first shards are a random sample of the list. Facts and thumbnails come out of the same look at each item.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import PIL

from keiki.backbones.base import Backbone, Features
from keiki.backbones.cache import Cache, Held
from keiki.backbones.passes import Engines, Feed, Network, Reading, in_order, read
from keiki.core.errors import RequestError
from keiki.core.files import digest, sha256_bytes
from keiki.core.record import Record
from keiki.data.facts import Fact
from keiki.data.task import Index, Items
from keiki.engines.plan import Plan

FORMAT = 1  # part of the key of features: raise it when the same key would get other bits
FACTS_FORMAT = 3  # the same for facts and thumbnails; 3 = with the brightest pixel and whether there are more frames
FEATURES, FACTS, THUMBNAILS = "features.npy", "facts.json", "thumbnails.bin"

Request = tuple[Backbone, str | None]  # a backbone and the name of one of its transforms, None for the default
Files = dict[str, bytes]


@dataclass(frozen=True)
class Shard:
    """Some items of a registered list, all of them distinct; `name` is the digest of their digests in order."""

    name: str
    items: Items


@dataclass(frozen=True)
class _Work:
    """What is still to be computed of a shard."""

    shard: Shard
    networks: tuple[Network, ...]
    facts: bool


@dataclass(frozen=True)
class _Kept:
    """An entry in memory, read like one in the cache."""

    files: Files

    def array(self, name: str) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.load(io.BytesIO(self.files[name]), allow_pickle=False)
        return array

    def read(self, name: str) -> bytes:
        return self.files[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class FeatureBank:
    """Features and facts of registered items under one plan.

    Items that cannot be read have rows of zeros and a fact with `error`; an item that only a transform refuses has
    zeros too and is recorded as 'unprepared'. An item whose file no longer has the content that its digest says is
    computed from what is there now, kept for this run only, and recorded as 'changed'.
    """

    def __init__(self, cache: Cache, plan: Plan, record: Record) -> None:
        self.cache = cache
        self.plan = plan
        self.record = record
        self._shards: list[Shard] = []
        self._places: dict[str, tuple[int, int]] = {}  # digest -> number of the shard, row in it
        self._engines = Engines(plan, cache)
        self._networks: dict[str, Network] = {}
        self._asked: dict[tuple[int, str | None], tuple[Backbone, Network]] = {}  # holds the backbone: its id stays its
        self._kept: dict[str, _Kept] = {}  # what must not be shared with other runs
        self.decided: Callable[[str, Callable[[], str]], str] = lambda question, decide: (
            decide()
        )  # see Workshop.decided
        self.out_of_time: Callable[[], bool] = lambda: False  # whether what may be left out should be
        self.changed = False  # whether an item was not what its digest says: nothing made from it may be remembered

    def register(self, items: Items) -> None:
        """Fix the shards of a full list; of an item that stands in several lists the first list's row is used."""
        first = {content: position for position, content in reversed(list(enumerate(items.digests)))}
        contents = sorted(first)
        if all(content in self._places for content in contents):
            return
        for start in range(0, len(contents), self.plan.shard_size):
            part = contents[start : start + self.plan.shard_size]
            for row, content in enumerate(part):
                self._places.setdefault(content, (len(self._shards), row))
            self._shards.append(Shard(digest(part), items.take([first[content] for content in part])))

    def knows(self, items: Items) -> bool:
        """Whether all of `items` are registered."""
        return all(content in self._places for content in items.digests)

    @property
    def n_registered(self) -> int:
        """Number of distinct items."""
        return len(self._places)

    @property
    def registered(self) -> str:
        """Digest of all shards: what `sample` depends on besides the items asked for."""
        return digest([shard.name for shard in self._shards])

    def extract(self, backbone: Backbone, items: Items, transform_name: str | None = None) -> Features:
        """Features (n, D) of `items`, in their order; computes the shards that are touched and not yet cached."""
        self.ensure(items, [(backbone, transform_name)])
        network = self._network(backbone, transform_name)
        features: Features | None = None
        for shard, positions, rows in self.parts(items):
            with self._features_of(shard, network) as entry:
                array = entry.array(FEATURES)
                if features is None:
                    features = np.empty((len(items), array.shape[1]), dtype=np.float32)
                features[positions] = array[rows]
        return np.zeros((0, backbone.card.width), dtype=np.float32) if features is None else features

    def facts(self, items: Items, thumbnails: bool = True) -> list[Fact]:
        """The facts of `items`, in their order; thumbnails take 3 KB an item, without them `thumbnail` is empty."""
        if items.modality == "vector":  # numbers tell nothing that their features do not
            return [Fact() for _ in items.ids]
        self.ensure(items, [])
        found: dict[int, Fact] = {}
        for shard, positions, rows in self.parts(items):
            with self._facts_of(shard) as entry:
                facts = _unpacked(entry.read(FACTS), entry.read(THUMBNAILS) if thumbnails else None, rows)
            found.update(zip(positions.tolist(), facts, strict=True))
        return [found[position] for position in range(len(items))]

    def ensure(self, items: Items, requests: Sequence[Request], facts: bool = True) -> None:
        """Compute what is missing of all `requests` for the shards of `items`, reading and decoding each item once."""
        networks = list(dict.fromkeys(self._network(backbone, name) for backbone, name in requests))
        shards = [shard for shard, _, _ in self.parts(items)]
        work = [each for shard in shards if (each := self._missing(shard, networks, facts)) is not None]
        total = sum(len(each.shard.items) for each in work)
        done = 0
        for each in work:
            self._compute(each, partial(self._say, done, total))
            done += len(each.shard.items)
        if work:
            self._engines.release()

    def missing(self, items: Items, requests: Sequence[Request]) -> list[int]:
        """For each request, how many items of the shards of `items` are still to be computed; nothing is computed."""
        shards = [shard for shard, _, _ in self.parts(items)]
        networks = [self._network(backbone, name) for backbone, name in requests]
        return [
            sum(len(shard.items) for shard in shards if not self._has(self._features_key(shard, network)))
            for network in networks
        ]

    def remember_json(self, facts: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` makes of items and their features, plain JSON values: once for equal `facts` and this plan.

        Not remembered is what was made from a file that changed meanwhile.
        """
        if self.changed:
            return compute()
        return self.cache.remember_json({"facts": facts, "plan": self.plan.to_json()}, compute)

    def sample(self, items: Items, n: int) -> Index:
        """Positions of up to `n` of `items`: those in the earliest shards, a random sample that the content decides."""
        shards, rows = self._look_up(items)
        order = np.lexsort((rows, shards))  # stable: copies of one item stay in their order
        return np.sort(order[:n]).astype(np.int64)

    def _network(self, backbone: Backbone, transform_name: str | None) -> Network:
        asked = (id(backbone), transform_name)
        if asked not in self._asked:
            transform = backbone.transform if transform_name is None else backbone.transforms()[transform_name]
            name = digest(
                {
                    "format": FORMAT,
                    "backbone": [backbone.body.card.name, backbone.body.card.digest],
                    "transform": transform.to_json(),
                    "files": {name: sha256_bytes(data) for name, data in transform.files().items()},
                    "plan": self.plan.to_json(),
                    "reader": self.reader(backbone.card.modality),
                }
            )
            network = self._networks.setdefault(name, Network(name, backbone, transform, self._engines))
            self._asked[asked] = (backbone, network)
        return self._asked[asked][1]

    @staticmethod
    def reader(modality: str) -> dict[str, str]:
        """What decides, besides the item itself, what is read: packages and their versions."""
        return {"pillow": PIL.__version__} if modality == "image" else {}

    def _features_key(self, shard: Shard, network: Network) -> str:
        return digest(["features", shard.name, network.name])

    def _facts_key(self, shard: Shard) -> str:
        return digest(["facts", FACTS_FORMAT, shard.name, shard.items.modality, self.reader(shard.items.modality)])

    def _look_up(self, items: Items) -> tuple[Index, Index]:
        """Number of the shard and row in it, (n,) each."""
        unknown = [id for id, content in zip(items.ids, items.digests, strict=True) if content not in self._places]
        if unknown:
            raise RequestError(
                f"The feature bank does not know {len(unknown)} of {len(items)} items, '{unknown[0]}' for one.",
                hint="Register the full list of items first.",
            )
        places = np.array([self._places[content] for content in items.digests], dtype=np.int64).reshape(-1, 2)
        return places[:, 0], places[:, 1]

    def parts(self, items: Items) -> Iterator[tuple[Shard, Index, Index]]:
        """For every shard touched, in order: the positions of its items in `items`, and their rows in the shard."""
        shards, rows = self._look_up(items)
        order = np.argsort(shards, kind="stable")
        cuts = np.flatnonzero(np.diff(shards[order])) + 1
        for positions in np.split(order, cuts) if len(items) else []:
            yield self._shards[int(shards[positions[0]])], positions, rows[positions]

    def _entry(self, key: str) -> Held | _Kept | None:
        return self._kept.get(key) or self.cache.get("features", key)

    def _has(self, key: str) -> bool:
        entry = self._entry(key)
        if entry is None:
            return False
        with entry:
            return True

    def _features_of(self, shard: Shard, network: Network) -> AbstractContextManager[Held | _Kept]:
        key = self._features_key(shard, network)
        return self._entry(key) or self._compute(_Work(shard, (network,), False), _quietly)[key]

    def _facts_of(self, shard: Shard) -> AbstractContextManager[Held | _Kept]:
        key = self._facts_key(shard)
        return self._entry(key) or self._compute(_Work(shard, (), True), _quietly)[key]

    def _missing(self, shard: Shard, networks: list[Network], facts: bool) -> _Work | None:
        missing = [network for network in networks if not self._has(self._features_key(shard, network))]
        facts = facts and shard.items.modality != "vector" and not self._has(self._facts_key(shard))
        return _Work(shard, tuple(missing), facts) if missing or facts else None

    def _compute(self, work: _Work, progress: Callable[[int], None]) -> dict[str, _Kept]:
        """Compute and store; returns what was stored, by key, should the cache be too small to hold it."""
        n, batch = len(work.shard.items), self.plan.batch_size
        for network in work.networks:
            network.open()
        feeds = [Feed(network, batch, self.plan.batch_cost) for network in work.networks]
        readings: list[Reading] = []
        for row, reading in enumerate(self._readings(work)):
            self._feed(feeds, row, reading, work.shard.items.ids[row])
            readings.append(replace(reading, prepared=()))  # the arrays are the feeds' now
            if (row + 1) % batch == 0 or row + 1 == n:
                progress(row + 1)
        entries = {self._facts_key(work.shard): _packed([reading.fact for reading in readings])} if work.facts else {}
        for feed in feeds:
            entries[self._features_key(work.shard, feed.network)] = {FEATURES: _npy(feed.features(n))}
        changed = [id for id, reading in zip(work.shard.items.ids, readings, strict=True) if not reading.same]
        return self._store(entries, changed)

    def _feed(self, feeds: list[Feed], row: int, reading: Reading, id: str) -> None:
        for feed, prepared in zip(feeds, reading.prepared, strict=True):
            if not isinstance(prepared, str):
                feed.add(row, prepared)
            elif reading.fact.error is None:
                self.record.event("unprepared", item=id, backbone=feed.network.backbone.card.name, reason=prepared)

    def _readings(self, work: _Work) -> Iterator[Reading]:
        transforms = [network.transform for network in work.networks]
        items = list(zip(work.shard.items.raws, work.shard.items.digests, strict=True))
        with ThreadPoolExecutor(self.plan.threads) as pool:
            ahead = max(self.plan.batch_size, 2 * self.plan.threads)
            yield from in_order(pool, lambda item: read(item[0], item[1], transforms), items, ahead)

    def _store(self, entries: dict[str, Files], changed: list[str]) -> dict[str, _Kept]:
        kept = {key: _Kept(files) for key, files in entries.items()}
        if changed:
            self.record.event("changed", items=changed)
            self.changed = True
            self._kept.update(kept)
            return kept
        for key, files in entries.items():
            self.cache.put("features", key, files)
        return kept

    def _say(self, before: int, total: int, rows: int) -> None:
        self.record.progress("features", before + rows, total)


def _quietly(rows: int) -> None:
    """No progress is shown for what is computed a second time."""


def _npy(array: Features) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _packed(facts: list[Fact]) -> Files:
    """Facts as JSON; thumbnails one behind the other in a file of their own, because most readers want none."""
    plain = [{**replace(fact, thumbnail=b"").to_json(), "thumbnail": len(fact.thumbnail)} for fact in facts]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
    return {FACTS: text.encode(), THUMBNAILS: b"".join(fact.thumbnail for fact in facts)}


def _unpacked(text: bytes, thumbnails: bytes | None, rows: Index) -> list[Fact]:
    plain = json.loads(text)
    ends = np.cumsum([each["thumbnail"] for each in plain])
    facts = []
    for row in rows.tolist():
        start, end = int(ends[row]) - plain[row]["thumbnail"], int(ends[row])
        picture = b"" if thumbnails is None else thumbnails[start:end]
        facts.append(replace(Fact.from_json({**plain[row], "thumbnail": ""}), thumbnail=picture))
    return facts
