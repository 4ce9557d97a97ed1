"""Texts that say the same: equal but for case, blanks, numbers and punctuation, or made of the same runs of letters.

Candidates by MinHash in bands (Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and
Ullman 2020, "Mining of Massive Datasets", section 3.4), then the exact Jaccard similarity of their runs of 5
characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

import numpy as np
import numpy.typing as npt

RUN = 5  # characters
ALIKE = 0.85  # Jaccard similarity; one word of thirty may differ
BANDS, ROWS = 16, 4  # pairs at the bar are missed with a chance of 1e-5
MET = 16  # others of a bucket that a text is compared with
LETTERS = 20  # a text with fewer is told by its numbers too: 'step 1', 'step 2'
LONGEST = 20_000  # characters that are looked at

_GAPS = re.compile(r"[\W_]+")
_NUMBERS = re.compile(r"\d+")
_PIECE = 1024  # numbers that are hashed at a time
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = tuple(
    (np.uint64(shift), np.uint64(factor)) for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
)

Pairs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]


def normalised(text: str) -> str:
    """The words of a text in small letters, with a blank for all that stands between them.

    >>> normalised("  Order #1234 has NOT arrived!!"), normalised(":-)")
    ('order 1234 has not arrived', ':-)')
    """
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    return _GAPS.sub(" ", plain).strip() or plain.strip()


def without_numbers(words: str) -> str:
    """`words` with every number as 0, if there are letters enough to tell them by.

    >>> without_numbers("order 1234 of may 3 has not arrived"), without_numbers("step 12")
    ('order 0 of may 0 has not arrived', 'step 12')
    """
    return _NUMBERS.sub("0", words) if len(list(islice(filter(str.isalpha, words), LETTERS))) == LETTERS else words


def alike_texts(texts: Sequence[str], learns: npt.NDArray[np.bool_]) -> tuple[Pairs, npt.NDArray[np.float64]]:
    """Pairs of rows (P, 2) that are near copies, and their similarity in ALIKE to 1.

    1 = all words and numbers are equal. Of rows that are equal, each is paired with the first. learns (N,): rows to
    learn from, which are compared among themselves, so that what is found of them does not depend on the rows that
    judge.
    """
    order = [*np.flatnonzero(learns).tolist(), *np.flatnonzero(~learns).tolist()]
    words = {row: normalised(texts[row]) for row in order}
    first: dict[str, int] = {}
    found = {(first[words[row]], row): 1.0 for row in order if first.setdefault(words[row], row) != row}
    heads = list(first.values())
    learned = [row for row in heads if learns[row]]
    found.update(_by_runs([words[row] for row in learned], learned))
    if len(learned) < len(heads):
        both = _by_runs([words[row] for row in heads], heads)
        found.update({pair: alike for pair, alike in both.items() if not (learns[pair[0]] and learns[pair[1]])})
    pairs = np.array([sorted(pair) for pair in found], dtype=np.int64).reshape(-1, 2)
    return pairs, np.array(list(found.values()), dtype=np.float64)


def jaccard(one: Hashes, other: Hashes) -> float:
    """|A and B| / |A or B| of two sets, given as sorted numbers; 0 for two empty ones.

    >>> jaccard(np.array([1, 2, 3], dtype=np.uint32), np.array([2, 3, 4], dtype=np.uint32))
    0.5
    """
    merged = np.concatenate([one, other])
    merged.sort(kind="stable")  # which merges two runs that are sorted already
    both = int(np.count_nonzero(merged[1:] == merged[:-1]))
    return both / max(1, len(merged) - both)


def _by_runs(words: Sequence[str], rows: Sequence[int]) -> dict[tuple[int, int], float]:
    """Pairs of `rows` whose runs agree, numbers aside, and their similarity."""
    bare = [without_numbers(each) for each in words]
    hashes = [_runs(each) for each in bare]

    @cache  # of most texts they are never asked for
    def numberless(row: int) -> Hashes:
        return _as_set(hashes[row])

    @cache
    def whole(row: int) -> Hashes:
        return numberless(row) if bare[row] == words[row] else _as_set(_runs(words[row]))

    found = {}
    for one, other in _partners(_buckets(hashes)):
        if jaccard(numberless(one), numberless(other)) >= ALIKE:
            found[rows[one], rows[other]] = max(ALIKE, jaccard(whole(one), whole(other)))
    return found


def _partners(buckets: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """In each bucket a text meets the MET before it; each pair once."""
    met: set[tuple[int, int]] = set()
    for bucket in buckets:
        for place in range(1, len(bucket)):
            for partner in bucket[max(0, place - MET) : place]:
                pair = (min(partner, bucket[place]), max(partner, bucket[place]))
                if pair not in met:
                    met.add(pair)
                    yield pair


def _runs(words: str) -> Hashes:
    """Numbers that stand for the runs of RUN characters, in their order; of a shorter text one, for the whole.

    All runs at once, as the polynomial of their characters modulo 2^64 (Karp and Rabin 1987, "Efficient randomized
    pattern-matching algorithms"); its bits are mixed, and the upper 32 kept (Steele, Lea and Flood 2014, "Fast
    splittable pseudorandom number generators", mix64).
    """
    codes = np.frombuffer(words.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    count, length = max(1, len(codes) - RUN + 1), min(RUN, len(codes))
    mixed = np.full(count, length, dtype=np.uint64)
    for place in range(length):
        mixed = mixed * _BASE + codes[place : place + count]
    for shift, factor in _MIX:
        mixed = (mixed ^ (mixed >> shift)) * factor
    runs: Hashes = (mixed >> np.uint64(32)).astype(np.uint32)
    return runs


def _as_set(hashes: Hashes) -> Hashes:
    """Sorted, each once."""
    numbers = np.sort(hashes)
    distinct: Hashes = numbers[np.append(True, numbers[1:] != numbers[:-1])]
    return distinct


def _buckets(sets: Sequence[Hashes]) -> list[list[int]]:
    """Positions of texts that share the ROWS least hashes of a band; buckets of one are left out.

    Hash functions multiply by odd numbers modulo 2^32 (Dietzfelbinger et al. 1997, "A reliable randomized algorithm for
    the closest-pair problem"). Within a bucket texts stand in the order of their other hashes, so that near copies
    stand beside one another.
    """
    rng = np.random.default_rng(5)  # the hash functions: part of the definition, not a draw
    factors = rng.integers(0, 2**32, size=(BANDS * ROWS, 1), dtype=np.uint32) | np.uint32(1)
    buckets: dict[tuple[int, bytes], list[tuple[bytes, int]]] = defaultdict(list)
    for place, numbers in enumerate(sets):
        least = _least(numbers, factors).tobytes()
        for band in range(BANDS):
            turned = least[4 * ROWS * band :] + least[: 4 * ROWS * band]
            buckets[band, turned[: 4 * ROWS]].append((turned, place))
    return [[place for _, place in sorted(bucket)] for bucket in buckets.values() if len(bucket) > 1]


def _least(numbers: Hashes, factors: Hashes) -> Hashes:
    """The least value of each hash function (64, 1) over a text's numbers (n,), in pieces that stay near the processor.

    >>> _least(np.array([3, 5], dtype=np.uint32), np.array([[1], [2**32 - 1]], dtype=np.uint32))
    array([         3, 4294967291], dtype=uint32)
    """
    pieces = (numbers[at : at + _PIECE] for at in range(0, len(numbers), _PIECE))
    least: Hashes = np.minimum.reduce([(piece * factors).min(axis=1) for piece in pieces])
    return least
