"""Which pairs of pictures are worth a closer look: near in fingerprint, or near in the features of a backbone.

Products are taken in blocks, so memory is bounded by block x N whatever N; 50,000 pictures take some tens of seconds.
Every picture brings its nearest few only: chains of copies are joined through them all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from keiki.data.fingerprint import Bits, distances

NEAREST = 8  # pairs that a picture brings from one search
BITS = 16  # of 63 that may differ; pictures of nothing in common differ in 31 on average
COSINE = 0.6  # of centred features
PROJECTED = 256  # directions from which features are compared where there are many pictures
MANY = 4096  # pictures
BLOCK = 256  # rows of a product

Index = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating] | npt.NDArray[np.integer]
Pairs = npt.NDArray[np.int64]  # (P, 2), the smaller row first, sorted, each once
Floats = npt.NDArray[np.floating]


def by_fingerprint(bits: Bits, learns: npt.NDArray[np.bool_]) -> Pairs:
    """Pairs of rows whose fingerprints differ in few bits. `learns` (N,): see `_searches`."""
    found = []
    for rows, among in _searches(learns):
        for block in _blocks(rows):
            apart = distances(bits[block, None], bits[None, among]).astype(np.int16)
            apart[block[:, None] == among[None]] = 64
            found += _nearest(block, among, -apart, -BITS)
    return _pairs(found)


def by_features(features: Floats, learns: npt.NDArray[np.bool_], rng: np.random.Generator) -> Pairs:
    """Pairs of rows whose centred features (N, D) point the same way.

    Above MANY rows, features are compared after a random projection: Johnson and Lindenstrauss 1984; Achlioptas 2003,
    "Database-friendly random projections".
    """
    rows = np.asarray(features, dtype=np.float32)
    if len(rows) > MANY and rows.shape[1] > PROJECTED:
        rows = rows @ rng.choice(np.array([-1, 1], dtype=np.float32), size=(rows.shape[1], PROJECTED))
    rows = rows - rows[learns if learns.any() else slice(None)].mean(axis=0)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    found = []
    for own, among in _searches(learns):
        base = rows[among].T
        for block in _blocks(own):
            cosines = rows[block] @ base
            cosines[block[:, None] == among[None]] = -1
            found += _nearest(block, among, cosines, COSINE)
    return _pairs(found)


def _searches(learns: npt.NDArray[np.bool_]) -> Iterator[tuple[Index, Index]]:
    """Who looks for whom. Rows to learn from look among themselves only, so that what is found of them does not depend
    on the rows that judge; these look among all."""
    learners, judges = np.flatnonzero(learns), np.flatnonzero(~learns)
    if len(learners):
        yield learners, learners
    if len(judges):
        yield judges, judges
        if len(learners):
            yield judges, learners


def _blocks(rows: Index) -> Iterator[Index]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _nearest(block: Index, among: Index, scores: Scores, bar: float) -> list[Pairs]:
    """The NEAREST of `among` for each row of `block`, as far as their score is at least `bar`; equals by position."""
    at, columns = np.nonzero(scores >= bar)
    if not len(at):
        return []
    order = np.lexsort((columns, -scores[at, columns].astype(np.float64), at))
    at, columns = at[order], columns[order]
    first = np.searchsorted(at, at)  # where the row begins
    kept = np.arange(len(at)) - first < NEAREST
    return [np.stack([block[at[kept]], among[columns[kept]]], axis=1)]


def _pairs(found: list[Pairs]) -> Pairs:
    if not found:
        return np.zeros((0, 2), dtype=np.int64)
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
