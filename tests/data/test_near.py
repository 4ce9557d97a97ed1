"""Near copies become sets; sets to learn from never depend on what judges, and never swallow the data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keiki
from keiki.data.facts import image_fact
from keiki.data.near import Alike, Links, NearSet, _outstanding, by_content, joined, near_pictures, near_texts
from keiki.data.overlay import ALIKE

SAMPLE = Path(keiki.__file__).parent / "sample" / "pictures"


def links(*edges: tuple[int, int, float]) -> Links:
    pairs = np.array([edge[:2] for edge in edges], dtype=np.int64).reshape(-1, 2)
    return Links(pairs, np.array([edge[2] for edge in edges]))


def rows_of(sets: Sequence[NearSet]) -> list[tuple[int, ...]]:
    return sorted(each.rows for each in sets)


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=np.bool_)


def test_sets_are_chains_and_know_their_weakest_link() -> None:
    sets, left = joined(links((0, 1, 0.9), (1, 2, 0.7), (0, 2, 0.65), (4, 5, 1.0)), everyone(6))
    assert sets == [NearSet((0, 1, 2), 0.7), NearSet((4, 5), 1.0)]
    assert left == 0
    assert joined(links(), everyone(3)) == ([], 0)


def test_a_judging_item_joins_no_two_sets_to_learn_from() -> None:
    learns = np.array([True, True, True, True, False, False])
    sets, _ = joined(links((0, 1, 0.9), (2, 3, 0.9), (1, 4, 0.95), (2, 4, 0.99), (4, 5, 0.8)), learns)
    assert rows_of(sets) == [(0, 1), (2, 3, 4, 5)]
    alone, _ = joined(links((0, 1, 0.9), (2, 3, 0.9)), everyone(4))
    learned = [tuple(row for row in rows if learns[row]) for rows in rows_of(sets)]
    assert learned == rows_of(alone)


def test_a_film_does_not_become_one_item_but_sure_copies_do() -> None:
    rng = np.random.default_rng(0)
    film = [(i, i + 1, float(rng.uniform(0.7, 0.9))) for i in range(99)]
    sets, left = joined(links(*film), everyone(100))
    assert max(len(each.rows) for each in sets) <= 20
    assert left >= 4
    copies = [(0, i, 1.0) for i in range(1, 100)]
    assert [len(each.rows) for each in joined(links(*copies), everyone(100))[0]] == [100]


def test_sets_are_told_by_content() -> None:
    alike = by_content([NearSet((0, 2), 0.8), NearSet((1, 3), 0.9)], ["a", "b", "c", "d"], left_apart=2)
    assert alike == Alike((("a", "c"), ("b", "d")), (0.8, 0.9), 2)
    assert alike.keys == {"a": 0, "c": 0, "b": 1, "d": 1}
    assert Alike().keys == {}


def pictures() -> list[bytes]:
    """30 real pictures, and near copies of the first six."""
    images = [Image.open(path).convert("RGB") for path in sorted(SAMPLE.rglob("*.png"))[::19][:30]]
    copies = [image.crop((3, 3, image.width, image.height)).resize((60, 60)) for image in images[:6]]
    found = []
    for image, quality in [*((image, 95) for image in images), *((image, 60) for image in copies)]:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality)
        found.append(out.getvalue())
    return found


@pytest.fixture(scope="module")
def seen() -> tuple[list[str], list[str], list[bytes], np.ndarray]:
    facts, features = [], []
    for data in pictures():
        fact, image = image_fact(data)
        assert image is not None
        facts.append(fact)
        features.append(np.asarray(image.resize((12, 12)), dtype=np.float32).ravel())
    return (
        [fact.fingerprint for fact in facts],
        [fact.pixels for fact in facts],
        [fact.thumbnail for fact in facts],
        np.stack(features),
    )


def test_near_copies_of_real_pictures_are_found(seen: tuple[list[str], list[str], list[bytes], np.ndarray]) -> None:
    fingerprints, pixels, thumbnails, features = seen
    asked: list[int] = []

    def thumbnail(rows: np.ndarray) -> list[bytes]:
        asked.extend(rows.tolist())
        return [thumbnails[row] for row in rows]

    found = near_pictures(fingerprints, pixels, features, thumbnail, everyone(36), np.random.default_rng(0))
    assert rows_of(joined(found, everyone(36))[0]) == [(i, 30 + i) for i in range(6)]
    assert found.similarity.min() >= ALIKE
    learns = np.arange(36) < 30  # across a given split, too
    found = near_pictures(fingerprints, pixels, features, thumbnail, learns, np.random.default_rng(0))
    assert rows_of(joined(found, learns)[0]) == [(i, 30 + i) for i in range(6)]


def test_equal_pixels_are_sure_but_plain_pictures_tell_nothing(
    seen: tuple[list[str], list[str], list[bytes], np.ndarray],
) -> None:
    fingerprints, pixels, thumbnails, features = seen
    white = "0" * 16
    found = near_pictures(
        [*fingerprints[10:13], fingerprints[10], white, white],
        [*pixels[10:13], pixels[10], "w", "w"],
        np.concatenate([features[10:13], -features[10:11], features[14:16]]),
        lambda rows: [thumbnails[10 + row] for row in rows],
        everyone(6),
        np.random.default_rng(0),
    )
    assert ([0, 3], 1.0) in list(zip(found.pairs.tolist(), found.similarity.tolist(), strict=True))
    assert [4, 5] not in found.pairs.tolist()


def test_near_texts_are_linked() -> None:
    found = near_texts(["Where is my parcel?", "where is my parcel", "Thanks"], everyone(3))
    assert (found.pairs.tolist(), found.similarity.tolist(), len(found)) == ([[0, 1]], [1.0], 1)


def test_where_everything_looks_alike_a_copy_must_stand_out() -> None:
    pairs = np.array([[0, 1], [0, 2], [3, 4], [5, 6], [5, 7], [8, 9]])
    alike = np.array(
        [0.55, 0.5, 0.55, 0.9, 0.52, 0.4]
    )  # 0 has a rival, 3 and 4 have none, 6 and 7 share one that is sure
    assert _outstanding(pairs, alike, everyone(10)).tolist() == [False, False, True, True, True, False]
    learns = np.arange(10) != 2  # a judging item is no rival of pairs to learn from
    assert _outstanding(pairs, alike, learns).tolist() == [True, False, True, True, True, False]
