"""Near copies: pictures recompressed, resized, cropped or brightened a little; texts that differ in a word.

They belong on one side of every split, or the estimate is of memory. Candidates are cheap to find and are verified by a
close look; verified pairs are joined to sets. What is found among the items to learn from never depends on those that
judge (`learns` False): judging items join sets, but join no two of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from keiki.data.candidates import by_features, by_fingerprint
from keiki.data.fingerprint import as_bits
from keiki.data.overlay import ALIKE, closely, roughly, signatures, unpacked
from keiki.data.shingles import alike_texts

AS_THEY_LIE, LAID_OVER = 0.3, 0.7  # correlations of 16 x 16 grey levels, below which no closer look is taken
RIVALS = (4, 2)  # pairs that a picture keeps after each of the two
VERY_ALIKE, OUTSTANDING = 0.65, 3.0  # see `_outstanding`
SURE = 0.98  # pairs that are joined however large the set becomes
LARGEST, LARGEST_SHARE = 20, 0.05  # items of a set, above which less sure pairs are left apart: chains, templates
CHUNK = 512  # pictures that are unpacked, or pairs that are laid over one another, at a time
CLOSE = 32  # pairs that are compared at a time: what they need stays near the processor

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Thumbnails = Callable[[Index], Sequence[bytes]]  # the pictures at some rows, as files of 96 pixels
FLAT = "0" * 16  # the fingerprint of a picture that shows nothing


@dataclass(frozen=True)
class Links:
    """Verified pairs (P, 2) of rows and their similarity (P,), 1 = equal."""

    pairs: Index
    similarity: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True)
class NearSet:
    """Rows of near copies of one another; similarity: of the least alike neighbours."""

    rows: tuple[int, ...]
    similarity: float


@dataclass(frozen=True)
class Alike:
    """Sets of near copies by content: each a tuple of digests, and the similarity of its least alike neighbours.

    left_apart: pairs that were not joined because their set would have become too large to split the data by.
    """

    sets: tuple[tuple[str, ...], ...] = ()
    similarity: tuple[float, ...] = ()
    left_apart: int = 0
    keys: dict[str, Hashable] = field(init=False, repr=False, compare=False)  # digest -> number of its set

    def __post_init__(self) -> None:
        keys: dict[str, Hashable] = {content: k for k, contents in enumerate(self.sets) for content in contents}
        object.__setattr__(self, "keys", keys)


def near_pictures(
    fingerprints: Sequence[str],
    pixels: Sequence[str],
    features: npt.NDArray[np.floating],
    thumbnails: Thumbnails,
    learns: Mask,
    rng: np.random.Generator,
) -> Links:
    """Near copies among N pictures; `fingerprints` and `pixels` as in `Fact`, features (N, D), learns (N,)."""
    bits = as_bits(fingerprints)
    pairs = np.unique(np.concatenate([by_fingerprint(bits, learns), by_features(features, learns, rng)]), axis=0)
    pairs, similarity = _verified(pairs, thumbnails, learns)
    same = _same(pixels, fingerprints, learns)
    return Links(np.concatenate([same, pairs]), np.concatenate([np.ones(len(same)), similarity]))


def near_texts(texts: Sequence[str], learns: Mask) -> Links:
    """Near copies among N texts."""
    return Links(*alike_texts(texts, learns))


def joined(links: Links, learns: Mask) -> tuple[list[NearSet], int]:
    """Sets of rows that are linked, the most alike pairs first; and how many pairs were left apart.

    A pair is left apart where its set would hold more than LARGEST items and LARGEST_SHARE of all, unless it is SURE:
    else a film, frame by frame, would become a single item.

    >>> links = Links(np.array([[0, 1], [1, 2], [4, 5]]), np.array([0.9, 0.8, 1.0]))
    >>> joined(links, np.ones(6, dtype=bool))[0]
    [NearSet(rows=(0, 1, 2), similarity=0.8), NearSet(rows=(4, 5), similarity=1.0)]
    """
    forest = _Forest(learns)
    most = max(LARGEST, int(LARGEST_SHARE * len(learns)))
    order = np.lexsort((-links.similarity, ~learns[links.pairs].all(axis=1)))  # what is learned from comes first
    for at in order.tolist():
        one, other = links.pairs[at].tolist()
        forest.join(one, other, float(links.similarity[at]), most)
    return forest.sets(), forest.left_apart


def by_content(sets: Iterable[NearSet], digests: Sequence[str], left_apart: int = 0) -> Alike:
    """The same sets, told by digests; digests (N,) are distinct."""
    found = list(sets)
    return Alike(
        tuple(tuple(digests[row] for row in each.rows) for each in found),
        tuple(each.similarity for each in found),
        left_apart,
    )


class _Forest:
    """Sets of rows while they are being joined."""

    def __init__(self, learns: Mask) -> None:
        self._parent = list(range(len(learns)))
        self._size = [1] * len(learns)
        self._weakest = [1.0] * len(learns)
        self._learns = learns.tolist()  # of a root: whether its set holds an item to learn from
        self._is_learned = learns.tolist()
        self.left_apart = 0

    def join(self, one: int, other: int, similarity: float, most: int) -> None:
        a, b = sorted((self._root(one), self._root(other)))
        if a == b:
            return
        both_learn = self._is_learned[one] and self._is_learned[other]
        if not both_learn and self._learns[a] and self._learns[b]:
            return  # two sets to learn from that only a judging item would join
        if self._size[a] + self._size[b] > most and similarity < SURE:
            self.left_apart += 1
            return
        self._parent[b] = a
        self._size[a] += self._size[b]
        self._weakest[a] = min(self._weakest[a], self._weakest[b], similarity)
        self._learns[a] = self._learns[a] or self._learns[b]

    def sets(self) -> list[NearSet]:
        members: dict[int, list[int]] = {}
        for row in range(len(self._parent)):
            members.setdefault(self._root(row), []).append(row)
        return [NearSet(tuple(rows), self._weakest[root]) for root, rows in members.items() if len(rows) > 1]

    def _root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row


def _same(pixels: Sequence[str], fingerprints: Sequence[str], learns: Mask) -> Index:
    """Pairs of pictures whose decoded pixels are equal, each with the first of them; plain pictures do not count."""
    first: dict[str, int] = {}
    pairs = []
    for row in [*np.flatnonzero(learns).tolist(), *np.flatnonzero(~learns).tolist()]:
        if pixels[row] and fingerprints[row] != FLAT:
            head = first.setdefault(pixels[row], row)
            if head != row:
                pairs.append(sorted((head, row)))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _verified(pairs: Index, thumbnails: Thumbnails, learns: Mask) -> tuple[Index, npt.NDArray[np.float64]]:
    """The pairs that are near copies, and their likeness: sieved by ever closer looks."""
    rows = np.unique(pairs)
    parts = [unpacked(thumbnails(rows[at : at + CHUNK])).coarse() for at in range(0, len(rows), CHUNK)]
    if not parts:
        return pairs, np.zeros(0)
    coarse = np.concatenate(parts)
    levels = signatures(coarse)
    one, other = np.searchsorted(rows, pairs).T
    scores = np.einsum("pk,pk->p", levels[one], levels[other])
    left = _best(pairs, scores, AS_THEY_LIE, RIVALS[0], learns)
    laid = [roughly(coarse[one[some]], coarse[other[some]]) for some in _chunks(left, CHUNK)]
    if not laid:
        return pairs[:0], np.zeros(0)
    where, agreement = (np.concatenate(column) for column in zip(*laid, strict=True))
    best = _best(pairs[left], agreement, LAID_OVER, RIVALS[1], learns)
    pairs = pairs[left[best]]
    similarity = _likeness(pairs, where[best], thumbnails)
    near = _outstanding(pairs, similarity, learns)
    return pairs[near], similarity[near]


def _best(pairs: Index, scores: npt.NDArray[np.floating], bar: float, most: int, learns: Mask) -> Index:
    """Places of the pairs with at least `bar` that are among the `most` best of one of their two pictures.

    Among pictures to learn from, pairs with judging ones do not count.
    """
    places = np.flatnonzero(scores >= bar)
    order = places[np.argsort(-scores[places], kind="stable")]
    used: Counter[tuple[int, bool]] = Counter()
    kept = []
    for place in order.tolist():
        one, other = pairs[place].tolist()
        ends = ((one, bool(learns[other])), (other, bool(learns[one])))
        if min(used[end] for end in ends) < most:
            kept.append(place)
        used.update(ends)
    return np.array(sorted(kept), dtype=np.int64)


def _outstanding(pairs: Index, likeness: npt.NDArray[np.float64], learns: Mask) -> Mask:
    """Which pairs (P,) are near copies: those that are VERY_ALIKE, and those that are ALIKE and differ by less than
    1 / OUTSTANDING of what any other pair of the two pictures does.

    Where everything resembles everything (clothes on black, digits), being alike is no evidence; in a set of different
    pictures it is. Among pictures to learn from, pairs with judging ones are no rivals.
    """
    difference = 1 / np.maximum(likeness, 1e-6) - 1  # in units of what copying may do
    both: Mask = np.asarray(learns[pairs].all(axis=1))
    rivals: dict[int, list[int]] = {}
    for at in np.flatnonzero(likeness < VERY_ALIKE).tolist():
        for row in pairs[at].tolist():
            rivals.setdefault(row, []).append(at)
    near: Mask = np.asarray(likeness >= VERY_ALIKE)
    for at in np.flatnonzero((likeness >= ALIKE) & ~near).tolist():
        one, other = pairs[at].tolist()
        others = [k for k in (*rivals[one], *rivals[other]) if k != at and (both[k] or not both[at])]
        near[at] = all(difference[k] > OUTSTANDING * difference[at] for k in others)
    return near


def _likeness(pairs: Index, where: npt.NDArray[np.float32], thumbnails: Thumbnails) -> npt.NDArray[np.float64]:
    found = []
    for part in _chunks(np.arange(len(pairs)), CHUNK):
        rows = np.unique(pairs[part])
        pictures = unpacked(thumbnails(rows))
        one, other = np.searchsorted(rows, pairs[part]).T
        for some in _chunks(np.arange(len(part)), CLOSE):
            found.append(closely(pictures[one[some]], pictures[other[some]], where[part[some]]))
    return np.concatenate(found) if found else np.zeros(0)


def _chunks(rows: Index, size: int) -> Iterator[Index]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
