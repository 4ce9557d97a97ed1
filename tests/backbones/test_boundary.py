"""Kept activations: what the frozen stages answer, item for item and variant for variant, within a cap of disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from keiki.backbones.boundary import Border, Boundary, padded
from keiki.backbones.boundary_feed import BoundaryFeed
from keiki.core.errors import DataError
from keiki.core.random import Randomness
from keiki.data.feeds import Feed
from keiki.data.task import Batch
from keiki.data.transforms.base import Array, Transform
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
