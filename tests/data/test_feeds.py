"""Feeds: each item once an epoch, or by weight; order and variants follow from the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from scipy.stats import chisquare

from keiki.core.errors import OptionError, UnreadableItem
from keiki.core.random import Randomness
from keiki.data.feeds import Feed
from keiki.data.task import Batch, Items, Raw
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


@dataclass
class Noise:
    """The length of a kept item, and a random number."""

    source: Transform

    def draw(self, kept: Array, rng: np.random.Generator) -> Array:
        return np.append(np.asarray(kept)[:1], rng.integers(10**9))


class Shown(Lengths):
    """Collates what is drawn as it is."""

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        return {"x": np.stack([np.asarray(each)[:2] for each in prepared])}


def everything(made: Feed, epoch: int = 0, start: int = 0, seed: int = 0) -> list[tuple[list[int], list[Any]]]:
    batches = made.batches(epoch, Randomness(seed), start)
    return [(batch.positions.tolist(), batch.inputs["x"].tolist()) for batch in batches]


def drawn(made: Feed, epoch: int = 0, seed: int = 0) -> dict[int, Any]:
    """What was drawn for each item; for an item that comes several times the last."""
    return {at: x for ids, xs in everything(made, epoch, 0, seed) for at, x in zip(ids, xs, strict=True)}


def test_a_variant_depends_on_seed_epoch_and_item_alone() -> None:
    made = feed(20, 3, Shown(), augment=Noise(Lengths()))
    first = drawn(made)
    assert first == drawn(made) == drawn(feed(20, 7, Shown(), augment=Noise(Lengths()), shuffle=False))
    assert all(x != first[at] for at, x in drawn(made, epoch=1).items())
    assert all(x != first[at] for at, x in drawn(made, seed=1).items())
    assert len({x[1] for x in first.values()}) == 20


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"weights": range(1, 21)}])
@pytest.mark.parametrize("start", [0, 1, 4, 7])
def test_a_late_start_is_the_tail_of_the_whole(options: dict[str, Any], start: int) -> None:
    whole = feed(20, 3, Shown(), augment=Noise(Lengths()), **options)
    late = feed(20, 3, Shown(), augment=Noise(Lengths()), **options)
    assert everything(late, 2, start) == everything(whole, 2)[start:]


def test_a_late_start_prepares_nothing_of_what_it_leaves_out() -> None:
    transform = Lengths()
    made = feed(20, 3, transform)
    last = list(made.batches(0, Randomness(0), start=6))
    assert len(transform.calls) == sum(len(batch.positions) for batch in last) == 2


def test_what_is_kept_is_what_the_source_prepares() -> None:
    source, transform = Lengths(), Shown()
    made = feed(10, 3, transform, augment=Noise(source))
    for epoch in range(3):
        list(made.batches(epoch, Randomness(0)))
    assert len(source.calls) == 10
    assert transform.calls == []


def test_room_is_respected_with_variants_too() -> None:
    made = feed(10, 3, Shown(), augment=Noise(Lengths()), kept_bytes=200)
    whole = feed(10, 3, Shown(), augment=Noise(Lengths()))
    for epoch in range(3):
        assert everything(made, epoch) == everything(whole, epoch)
    assert sum(array.nbytes for array in made._kept.values()) <= 200


def test_an_unreadable_item_stops_the_feed_with_its_reason() -> None:
    class Broken(Lengths):
        def prepare(self, raw: Raw) -> Array:
            raise UnreadableItem("gone")

    with pytest.raises(UnreadableItem, match="gone"):
        list(feed(4, 2, Broken()).batches(0, Randomness(0)))


def test_weights_are_the_shares_of_the_draws() -> None:
    weights = np.array([0.0, 1, 2, 3, 4])
    made = feed(5, 5, weights=weights)
    counts = np.zeros(5)
    for epoch in range(2000):
        (batch,) = made.batches(epoch, Randomness(0))
        counts += np.bincount(batch.positions, minlength=5)
        np.testing.assert_array_equal(batch.inputs["x"], batch.labels)
    assert counts[0] == 0
    expected = 10_000 * weights / 10
    assert chisquare(counts[1:], expected[1:]).pvalue > 1e-3  # the witness: SciPy's test of these shares


@pytest.mark.parametrize("transform", [Lengths, Sorted])
def test_weighted_epochs_are_as_long_and_as_repeatable_as_others(transform: type[Transform]) -> None:
    weights = np.arange(1, 31)
    made = feed(30, 4, transform(), weights=weights)
    orders = [
        np.concatenate([batch.positions for batch in made.batches(epoch, Randomness(0))]).tolist()
        for epoch in (0, 0, 1)
    ]
    assert made.steps == len(list(made.batches(0, Randomness(0)))) == len(list(feed(30, 4).batches(0, Randomness(0))))
    assert orders[0] == orders[1] != orders[2]
    assert len(orders[0]) == 30


def test_an_item_drawn_twice_varies_twice() -> None:
    made = feed(2, 12, Shown(), augment=Noise(Lengths()), weights=[1e-9, 1])
    ((ids, xs),) = everything(made)
    assert ids == [1, 1]
    assert xs[0] != xs[1]
    assert xs[0] == drawn(feed(2, 12, Shown(), augment=Noise(Lengths())))[1]


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, -1], [0, 0, 0], [1, 1, np.nan], [[1, 1, 1]]])
def test_weights_without_sense_are_refused(weights: Any) -> None:
    with pytest.raises(OptionError, match="a weight for each of 3 items"):
        feed(3, 2, weights=weights)


def test_mixtures_depend_on_seed_epoch_and_batch_alone() -> None:
    class Marks:
        def mix(self, batch: Batch, rng: np.random.Generator) -> Batch:
            return replace(batch, inputs={"x": rng.integers(10**9, size=len(batch.labels))})

    made = feed(20, 3, mixing=Marks())
    first = everything(made)
    assert first == everything(made) == everything(feed(20, 3, mixing=Marks()))
    assert everything(made, 0, 4) == first[4:]
    assert everything(made, 1) != first != everything(made, seed=1)
    plain = next(iter(feed(20, 3).batches(0, Randomness(0))))
    assert plain.partners is None
    assert plain.shares is None
