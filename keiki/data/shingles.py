"""Texts that say the same: equal but for case, blanks, numbers and punctuation, or made of the same runs of letters.

Candidates by MinHash in bands (Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and
Ullman 2020, "Mining of Massive Datasets", section 3.4), then the exact Jaccard similarity of their runs of 5
characters.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

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

Pairs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


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
    return _NUMBERS.sub("0", words) if sum(map(str.isalpha, words)) >= LETTERS else words


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


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """|A and B| / |A or B|; 0 for two empty sets.

    >>> jaccard(frozenset([1, 2, 3]), frozenset([2, 3, 4]))
    0.5
    """
    both = len(one & other)
    return both / max(1, len(one) + len(other) - both)


def _by_runs(words: Sequence[str], rows: Sequence[int]) -> dict[tuple[int, int], float]:
    """Pairs of `rows` whose runs agree, numbers aside, and their similarity."""
    sets = [_runs(each) for each in words]
    bare = [without_numbers(each) for each in words]
    numberless = [own if each == text else _runs(each) for own, each, text in zip(sets, bare, words, strict=True)]
    buckets = _buckets([np.fromiter(each, dtype=np.uint64, count=len(each)) for each in numberless])
    found = {}
    for one, other in _partners(buckets):
        if jaccard(numberless[one], numberless[other]) >= ALIKE:
            found[rows[one], rows[other]] = max(ALIKE, jaccard(sets[one], sets[other]))
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


def _runs(words: str) -> frozenset[int]:
    """Numbers below 2^32 that stand for the runs of RUN characters; of a shorter text one, for the whole."""
    data = words.encode("utf-32-le")
    ends = range(max(1, len(words) - RUN + 1))
    return frozenset(zlib.crc32(data[4 * start : 4 * (start + RUN)]) for start in ends)


def _buckets(sets: Sequence[Hashes]) -> list[list[int]]:
    """Positions of texts that share the ROWS least hashes of a band; buckets of one are left out.

    Hash functions multiply by odd numbers modulo 2^64 (Dietzfelbinger et al. 1997, "A reliable randomized algorithm for
    the closest-pair problem"). Within a bucket texts stand in the order of their other hashes, so that near copies
    stand beside one another.
    """
    rng = np.random.default_rng(5)  # the hash functions: part of the definition, not a draw
    factors = rng.integers(0, 2**63, size=(BANDS * ROWS, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    buckets: dict[tuple[int, bytes], list[tuple[bytes, int]]] = defaultdict(list)
    for place, numbers in enumerate(sets):
        least = (numbers * factors).min(axis=1).tobytes()  # (64, n) -> (64,); modulo 2^64
        for band in range(BANDS):
            turned = least[8 * ROWS * band :] + least[: 8 * ROWS * band]
            buckets[band, turned[: 8 * ROWS]].append((turned, place))
    return [[place for _, place in sorted(bucket)] for bucket in buckets.values() if len(bucket) > 1]
