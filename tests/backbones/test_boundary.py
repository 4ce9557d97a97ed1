"""Kept activations: what the frozen stages answer, item for item and variant for variant, within a cap of disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch

from keiki.backbones import boundary as module
from keiki.backbones.boundary import Border, Boundary, padded
from keiki.backbones.boundary_feed import BoundaryFeed
from keiki.backbones.cache import Cache
from keiki.backbones.features import FeatureBank
from keiki.core.errors import DataError, ParityError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.augment.words import WordAugment
from keiki.data.feeds import Feed
from keiki.data.task import Batch
from keiki.data.transforms.base import Array, Transform
from keiki.data.transforms.text import TokenTransform
from keiki.nn.boundary import OddForward
from keiki.nn.kept import KEPT
from keiki.testing.playground import Playground, playground

RANDOM = Randomness(3)


@dataclass(frozen=True)
class Noise:
    """Pixels, or tokens, that change with the generator alone."""

    source: Transform

    def draw(self, kept: Array, rng: np.random.Generator) -> Array:
        if kept.dtype == np.uint8:
            return np.asarray(rng.integers(0, 256, size=kept.shape), dtype=np.uint8)
        return kept[: rng.integers(1, len(kept) + 1)]


@pytest.fixture(scope="module", params=["image", "text"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Playground:
    return playground(request.param, tmp_path_factory.mktemp(request.param))


def made(ground: Playground, *, variants: int = 0, depth: int = 2, cap: int = 2**30) -> Boundary:
    backbone = ground.backbone
    augment = Noise(backbone.transform) if variants else None
    border = Border(backbone, next(iter(backbone.transforms())), depth, augment, variants)
    return Boundary(border, ground.bank(), backbone.module(), cap)


def witness(ground: Playground, prepared: Array, last: str) -> np.ndarray:
    """The activation of one item by torch, alone."""
    module = ground.backbone.module()
    found: list[torch.Tensor] = []
    module.get_submodule(last).register_forward_hook(lambda m, i, o: found.append(o.clone()))
    inputs = ground.backbone.transform.collate([prepared, prepared])
    with torch.inference_mode():
        module(**{name: torch.from_numpy(np.array(array)) for name, array in inputs.items()})
    return found[0][0].numpy()


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_what_is_kept_is_what_the_network_answers(ground: Playground, variant: int) -> None:
    boundary = made(ground, variants=2)
    assert boundary.why_not == ""
    items = ground.test.take([4, 0, 2, 0])
    boundary.ensure(items)
    for row, raw, content in zip(boundary.rows(items, variant), items.raws, items.digests, strict=True):
        prepared = boundary.border.prepared(raw, content, variant)
        expected = witness(ground, prepared, boundary.cut.last)
        found = row if boundary.border.transform.by_cost else row[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_variants_follow_from_content_alone(ground: Playground) -> None:
    first, second = made(ground, variants=2), made(ground, variants=2)
    raw, content = ground.test.raws[0], ground.test.digests[0]
    np.testing.assert_array_equal(first.border.prepared(raw, content, 1), second.border.prepared(raw, content, 1))
    one, other = first.border.prepared(raw, content, 1), first.border.prepared(raw, content, 2)
    assert one.shape != other.shape or not np.array_equal(one, other) or ground.task.modality == "text"


def test_it_is_computed_once_for_all_folds(ground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    boundary = made(ground, depth=1)
    boundary.ensure(ground.test)
    again = made(ground, depth=1)
    monkeypatch.setattr(Boundary, "_open", lambda self: pytest.fail("everything is there"))
    again.ensure(ground.view.items)


def test_a_deeper_border_is_another_entry(ground: Playground) -> None:
    depths = [made(ground, depth=depth) for depth in (1, 2)]
    for each in depths:
        each.ensure(ground.test)
    first, second = (each.rows(ground.test, 0)[0] for each in depths)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_the_cap_is_respected_and_named(ground: Playground) -> None:
    size = made(ground, variants=3).size
    assert size == made(ground).size * 4
    assert made(ground, variants=3, cap=size).why_not == ""
    refused = made(ground, variants=3, cap=size - 1)
    assert "GiB are allowed" in refused.why_not
    assert refused.facts()["why_not"] == refused.why_not


def test_a_feed_begins_at_the_border_and_keeps_the_order(ground: Playground) -> None:
    items, labels = ground.view.items, ground.view.labels
    plain = Feed(items, labels, ground.backbone.transform, 7)
    feed = BoundaryFeed(plain, made(ground))
    assert feed.steps == plain.steps
    for ours, theirs in zip(feed.batches(1, RANDOM), plain.batches(1, RANDOM), strict=True):
        np.testing.assert_array_equal(ours.positions, theirs.positions)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert ours.inputs[KEPT].flags.writeable
        assert len(ours.inputs[KEPT]) == len(ours.labels)
        for name in ours.inputs.keys() & theirs.inputs.keys():
            np.testing.assert_array_equal(ours.inputs[name], theirs.inputs[name])


def test_a_later_start_gives_the_same_batches(ground: Playground) -> None:
    feed = BoundaryFeed(
        Feed(ground.view.items, ground.view.labels, ground.backbone.transform, 5), made(ground, variants=2), varied=True
    )
    whole = list(feed.batches(2, RANDOM))
    for ours, theirs in zip(feed.batches(2, RANDOM, start=2), whole[2:], strict=True):
        for name in theirs.inputs:
            np.testing.assert_array_equal(ours.inputs[name], theirs.inputs[name])


def test_every_variant_is_drawn(ground: Playground) -> None:
    boundary = made(ground, variants=2)
    feed = BoundaryFeed(Feed(ground.test, ground.test_labels, ground.backbone.transform, 4), boundary, varied=True)
    boundary.ensure(ground.test)
    sums = {round(float(boundary.rows(ground.test.take([0]), v)[0].sum()), 4) for v in range(3)}
    seen = {round(total, 4) for epoch in range(20) for total in _sums_of(feed.batches(epoch, RANDOM), 0)}
    assert sums <= seen or ground.task.modality == "text"  # a text's variants may be equal


def _sums_of(batches: Iterator[Batch], position: int) -> Iterator[float]:
    for batch in batches:
        for at in np.flatnonzero(batch.positions == position):
            yield float(batch.inputs[KEPT][at].sum())


def test_where_it_cannot_be_had_the_batches_are_plain(ground: Playground) -> None:
    plain = Feed(ground.test, ground.test_labels, ground.backbone.transform, 4)
    for batch in BoundaryFeed(plain, made(ground, cap=1)).batches(0, RANDOM):
        assert KEPT not in batch.inputs


def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    ground = playground("image", tmp_path)
    boundary = made(ground)
    items = ground.test
    first = Path(str(items.raws[0]))
    first.write_bytes(Path(str(items.raws[1])).read_bytes())
    with pytest.raises(DataError, match="has changed since"):
        boundary.ensure(items)


def test_padding_ends_in_zeros_in_an_array_of_its_own() -> None:
    rows = [np.ones((2, 3), np.float32), np.ones((1, 3), np.float32)]
    found = padded(rows, ragged=True)
    assert found.shape == (2, 2, 3)
    assert found[1, 1].tolist() == [0, 0, 0]
    found[0] = 7
    assert rows[0].max() == 1


def test_a_transform_of_another_name_is_another_entry(ground: Playground) -> None:
    names = list(ground.backbone.transforms())
    if len(names) < 2:
        return
    border = made(ground).border
    assert border.name(0) != replace(border, transform_name=names[1]).name(0)


@dataclass
class Book:
    """Keeps what was decided, as a run's plan does."""

    answers: dict[str, str] = field(default_factory=dict)

    def decided(self, question: str, decide: Callable[[], str]) -> str:
        if question not in self.answers:
            self.answers[question] = decide()
        return self.answers[question]


def fresh(ground: Playground, folder: Path, book: Book, *, cache_bytes: int = 2**30, **options: int) -> Boundary:
    """A border above an empty cache, in shards of four items: what a new process would make."""
    backbone, variants = ground.backbone, options.get("variants", 0)
    events: list[dict[str, object]] = []
    bank = FeatureBank(
        Cache(folder, cache_bytes), replace(ground.plan, shard_size=4), Record(listeners=(events.append,))
    )
    bank.register(ground.task.items)
    bank.decided = book.decided
    augment = Noise(backbone.transform) if variants else None
    border = Border(backbone, next(iter(backbone.transforms())), 2, augment, variants)
    made = Boundary(border, bank, backbone.module(), options.get("cap", 2**30))
    made.events = events  # type: ignore[attr-defined]
    return made


def test_whether_there_is_room_is_decided_once(ground: Playground, tmp_path: Path) -> None:
    book = Book()
    assert "GiB are allowed" in fresh(ground, tmp_path, book, cache_bytes=10).why_not
    assert "GiB are allowed" in fresh(ground, tmp_path, book).why_not  # there is more room by now
    assert fresh(ground, tmp_path, Book()).why_not == ""
    other = Book()
    assert fresh(ground, tmp_path, other).why_not == ""
    assert fresh(ground, tmp_path, other, cache_bytes=10).why_not == ""
    assert len(other.answers) == 1


def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The shards and variants that are computed from now on."""
    found: list[tuple[str, int]] = []
    real = Boundary._compute

    def compute(self, engine, shard, variant):  # type: ignore[no-untyped-def]
        found.append((shard.name, variant))
        return real(self, engine, shard, variant)

    monkeypatch.setattr(Boundary, "_compute", compute)
    return found


def test_only_what_is_wanted_is_computed(ground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = computed(monkeypatch)
    boundary = fresh(ground, tmp_path, Book(), variants=2)
    items = ground.test.take([0])
    touched = [shard.name for shard, _, _ in boundary._bank.parts(items)]
    assert len(touched) == 1 < boundary._bank.n_registered // 4
    held = BoundaryFeed(Feed(items, ground.test_labels[:1], ground.backbone.transform, 4, shuffle=False), boundary)
    list(held.batches(0, RANDOM))
    assert found == [(touched[0], 0)]
    assert boundary.ensure(items, 2) == 3
    assert found == [(touched[0], 0), (touched[0], 1), (touched[0], 2)]


@pytest.mark.parametrize(("shards_in_time", "expected"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (6, 3), (9, 3)])
def test_out_of_time_it_uses_the_variants_that_are_whole(
    ground: Playground, tmp_path: Path, shards_in_time: int, expected: int
) -> None:
    book = Book()
    boundary = fresh(ground, tmp_path, book, variants=2)
    first, second = (part for part, _ in zip(boundary._bank._shards, range(2), strict=False))
    wanted = first.items + second.items
    left = iter([False] * shards_in_time)
    boundary._bank.out_of_time = lambda: next(left, True)
    assert boundary.ensure(wanted, 2) == expected
    told = [event for event in boundary.events if event["event"] == "boundary cut short"]  # type: ignore[attr-defined]
    assert bool(told) == (expected < 3) == ("cut_short" in boundary.facts())
    again = fresh(ground, tmp_path, book, variants=2)  # with all the time in the world
    assert again.ensure(wanted, 2) == expected
    assert again.facts() == boundary.facts()


@pytest.mark.parametrize("shards_in_time", [0, 1])
def test_with_no_variant_whole_the_batches_are_plain_to_the_end(
    ground: Playground, tmp_path: Path, shards_in_time: int
) -> None:
    boundary = fresh(ground, tmp_path, Book(), variants=1)
    left = iter([False] * shards_in_time)
    boundary._bank.out_of_time = lambda: next(left, True)
    plain = Feed(ground.view.items, ground.view.labels, ground.backbone.transform, 7)
    feed = BoundaryFeed(plain, boundary, varied=True)
    for epoch in range(2):
        for ours, theirs in zip(feed.batches(epoch, RANDOM), plain.batches(epoch, RANDOM), strict=True):
            assert KEPT not in ours.inputs
            np.testing.assert_array_equal(ours.positions, theirs.positions)


def test_varied_items_never_begin_at_clean_answers_alone(ground: Playground, tmp_path: Path) -> None:
    boundary = fresh(ground, tmp_path, Book(), variants=1)
    n_shards = sum(1 for _ in boundary._bank.parts(ground.test))
    left = iter([False] * n_shards)
    boundary._bank.out_of_time = lambda: next(left, True)
    plain = Feed(ground.test, ground.test_labels, ground.backbone.transform, 4)
    assert all(KEPT not in batch.inputs for batch in BoundaryFeed(plain, boundary, varied=True).batches(0, RANDOM))
    assert all(KEPT in batch.inputs for batch in BoundaryFeed(plain, boundary).batches(0, RANDOM))


def test_the_key_holds_reader_and_versions(ground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    border = made(ground, variants=1).border
    before = [border.name(0), border.name(1)]
    monkeypatch.setattr(PIL, "__version__", "0.0")
    pictures = ground.task.modality == "image"
    assert [border.name(variant) != old for variant, old in enumerate(before)] == [pictures, pictures]
    monkeypatch.undo()
    real = metadata.version
    for package in ("torch", "torchvision"):
        monkeypatch.setattr(module, "version", lambda name, moved=package: "0" if name == moved else real(name))
        assert border.name(0) == before[0]
        assert border.name(1) != before[1]


def test_the_key_holds_the_tokenizer_that_variants_come_from(ground: Playground) -> None:
    transform = ground.backbone.transform
    if not isinstance(transform, TokenTransform):
        return
    other = replace(transform, tokenizer=transform.tokenizer + b" ")
    first, second = WordAugment(transform, 0.1), WordAugment(other, 0.1)
    assert repr(first) == repr(second)
    border = made(ground, variants=1).border
    assert replace(border, augment=first).name(1) != replace(border, augment=second).name(1)


def test_an_odd_forward_is_told_and_asked_again_in_another_run(
    ground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*args: object, **named: object) -> float:
        raise OddForward("its forward pass fails there: RuntimeError: no")

    monkeypatch.setattr("keiki.nn.boundary.difference", odd)
    assert "RuntimeError: no" in fresh(ground, tmp_path, Book()).why_not
    monkeypatch.undo()
    assert fresh(ground, tmp_path, Book()).why_not == ""


@pytest.mark.parametrize("error", [ParityError("The converted graph differs."), RuntimeError("odd shapes")])
def test_a_lower_part_that_does_not_convert_is_told(
    ground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*args: object) -> Path:
        raise error

    monkeypatch.setattr("keiki.engines.convert.convert", fails)
    if ground.plan.engine != "torch":
        assert str(error) in fresh(ground, tmp_path, Book()).why_not


def test_an_error_of_ours_is_not_taken_for_an_odd_network(
    ground: Playground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keiki.nn.boundary.difference", lambda *args, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        _ = fresh(ground, tmp_path, Book()).why_not


def test_a_batch_looks_up_each_variant_once(ground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    boundary = made(ground, variants=2)
    feed = BoundaryFeed(
        Feed(ground.view.items, ground.view.labels, ground.backbone.transform, 12), boundary, varied=True
    )
    asked: list[int] = []
    real = Boundary.rows
    monkeypatch.setattr(Boundary, "rows", lambda self, items, v: asked.append(v) or real(self, items, v))
    batch = next(iter(feed.batches(0, RANDOM)))
    assert len(asked) == len(set(asked)) <= 3
    drawn = RANDOM.numpy("variants", 0, 0).integers(3, size=12)
    expected = [
        real(boundary, ground.view.items.take([i]), int(v))[0] for i, v in zip(batch.positions, drawn, strict=True)
    ]
    np.testing.assert_array_equal(batch.inputs[KEPT], padded(expected, boundary.border.transform.by_cost))
