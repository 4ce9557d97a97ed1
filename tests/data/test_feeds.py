"""Feeds: each item once an epoch, in an order that the seed and the epoch alone decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from keiki.core.random import Randomness
from keiki.data.feeds import Feed
from keiki.data.task import Items, Raw
from keiki.data.transforms.base import Array, Transform


@dataclass
class Lengths(Transform):
    """A text as its length, that many times; counts how often it is asked."""

    kind: ClassVar[str] = "lengths"
    calls: list[Raw] = field(default_factory=list)
    by_cost = False

    def prepare(self, raw: Raw) -> Array:
        self.calls.append(raw)
        return np.full(len(str(raw)), len(str(raw)))

    def cost(self, prepared: Array) -> int:
        return len(prepared)

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        return {"x": np.array([len(each) for each in prepared])}

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        return cls()


class Sorted(Lengths):
    by_cost = True


def feed(n: int, size: int, transform: Transform | None = None, **options: Any) -> Feed:
    lengths = np.random.default_rng(0).permutation(n) + 1
    raws = tuple("x" * length for length in lengths)
    items = Items("text", tuple(map(str, range(n))), raws, raws)
    return Feed(items, lengths.astype(np.int64), transform or Lengths(), size, **options)


@pytest.mark.parametrize(("n", "size"), [(10, 3), (9, 3), (1, 4), (5, 4), (2, 1), (130, 2)])
@pytest.mark.parametrize("transform", [Lengths, Sorted])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_item_comes_once_with_its_own_label(n: int, size: int, transform: type[Transform], shuffle: bool) -> None:
    made = feed(n, size, transform(), shuffle=shuffle)
    batches = list(made.batches(0, Randomness(0)))
    assert sorted(np.concatenate([batch.positions for batch in batches]).tolist()) == list(range(n))
    assert len(batches) == made.steps
    for batch in batches:
        np.testing.assert_array_equal(batch.inputs["x"], batch.labels)


def test_no_batch_of_one_where_it_can_be_avoided() -> None:
    assert [len(batch.labels) for batch in feed(7, 3).batches(0, Randomness(0))] == [3, 4]


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(made: Feed, epoch: int, seed: int = 0) -> list[int]:
        return np.concatenate([batch.positions for batch in made.batches(epoch, Randomness(seed))]).tolist()

    made = feed(40, 4)
    first = order(made, 0)
    order(made, 1)
    assert order(made, 0) == first == order(feed(40, 4), 0)
    assert order(made, 1) != first != order(made, 0, seed=1)


def test_without_shuffling_the_order_is_that_of_the_items() -> None:
    batches = feed(10, 4, Sorted(), shuffle=False).batches(3, Randomness(0))
    assert np.concatenate([batch.positions for batch in batches]).tolist() == list(range(10))


def test_texts_of_like_length_share_a_batch() -> None:
    spreads = {}
    for transform in (Lengths(), Sorted()):
        batches = list(feed(200, 10, transform).batches(0, Randomness(0)))
        spreads[type(transform)] = np.mean([np.ptp(batch.inputs["x"]) for batch in batches])
        firsts = [batch.inputs["x"][0] for batch in batches]
        assert firsts != sorted(firsts)  # long and short batches come mixed
    assert spreads[Sorted] == 9
    assert spreads[Lengths] > 100


def test_items_are_prepared_once_while_there_is_room() -> None:
    transform = Lengths()
    made = feed(10, 3, transform)
    for epoch in range(3):
        list(made.batches(epoch, Randomness(0)))
    assert len(transform.calls) == 10


def test_beyond_the_room_items_are_prepared_again_with_the_same_result() -> None:
    transform = Lengths()
    small, large = feed(10, 3, transform, kept_bytes=100), feed(10, 3)
    for epoch in range(2):
        for one, other in zip(small.batches(epoch, Randomness(0)), large.batches(epoch, Randomness(0)), strict=True):
            np.testing.assert_array_equal(one.inputs["x"], other.inputs["x"])
    assert 10 < len(transform.calls) < 20
