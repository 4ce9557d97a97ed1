"""Candidates are the nearest, by a slow search too; what is learned from never depends on what judges."""

from __future__ import annotations

import numpy as np
import pytest

from keiki.data import candidates
from keiki.data.candidates import BITS, COSINE, NEAREST, by_features, by_fingerprint


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "BLOCK", 7)


def slow(scores: np.ndarray, bar: float, learns: np.ndarray) -> set[tuple[int, int]]:
    """The NEAREST of each row: learners among learners; judges among judges, and among learners."""
    found = set()
    for i in range(len(scores)):
        for side in (True, False):
            if learns[i] and not side:
                continue
            others = [j for j in range(len(scores)) if j != i and learns[j] == side and scores[i, j] >= bar]
            for j in sorted(others, key=lambda j: (-scores[i, j], j))[:NEAREST]:
                found.add((min(i, j), max(i, j)))
    return found


def as_set(pairs: np.ndarray) -> set[tuple[int, int]]:
    assert pairs.tolist() == sorted(pairs.tolist())
    return {(i, j) for i, j in pairs.tolist()}


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_nearest_fingerprints(share: float) -> None:
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 2**63, 3, dtype=np.uint64)
    bits = np.array([centres[i % 3] ^ (np.uint64(1) << np.uint64(rng.integers(60))) for i in range(50)])
    learns = rng.random(50) < share
    apart = np.array([[(int(a) ^ int(b)).bit_count() for b in bits] for a in bits])
    assert as_set(by_fingerprint(bits, learns)) == slow(-apart, -BITS, learns)


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_nearest_features(share: float) -> None:
    rng = np.random.default_rng(1)
    features = (rng.normal(size=(6, 20))[rng.integers(0, 6, 60)] + 0.3 * rng.normal(size=(60, 20))).astype(np.float32)
    learns = rng.random(60) < share
    centred = features - features[learns].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    found = as_set(by_features(features, learns, rng))
    assert found == slow(centred @ centred.T, COSINE, learns)


def test_many_pictures_are_compared_after_a_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MANY", 40)
    rng = np.random.default_rng(2)
    features = rng.normal(size=(60, 1000)).astype(np.float32)
    features[31] = features[4] + 0.1 * rng.normal(size=1000)
    found = by_features(features, np.ones(60, dtype=bool), rng)
    assert as_set(found) == {(4, 31)}


def test_none_where_nothing_is_near() -> None:
    learns = np.ones(2, dtype=bool)
    assert by_fingerprint(np.array([0, 2**40 - 1], dtype=np.uint64), learns).shape == (0, 2)
    assert by_features(np.eye(2), learns, np.random.default_rng(0)).shape == (0, 2)
