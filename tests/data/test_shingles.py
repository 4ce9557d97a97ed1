"""Texts that say the same are found, by an exhaustive search too; texts that only resemble one another are not."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

from keiki.data import shingles
from keiki.data.shingles import ALIKE, alike_texts, normalised, without_numbers

LONG = (
    "My parcel was to arrive on Monday, but the driver left it with a neighbour whom I do not know, and nobody of your "
    "hotline could tell me at which door I have to ring."
)


def near(*texts: str) -> set[tuple[int, int]]:
    pairs, _ = alike_texts(texts, np.ones(len(texts), dtype=bool))
    return {(one, other) for one, other in pairs.tolist()}


def runs(text: str) -> set[str]:
    words = without_numbers(normalised(text))
    return {words[i : i + 5] for i in range(max(1, len(words) - 4))}


@pytest.mark.parametrize(
    "copy",
    [LONG.upper(), LONG.replace(" ", "  ") + "\n", LONG.replace(",", ";") + "!!", LONG.replace("Monday", "Tuesday"),
     LONG + " Thanks", "Hi " + LONG],
)  # fmt: skip
def test_copies_with_small_changes_are_found(copy: str) -> None:
    assert near(LONG, "Something else entirely.", copy) == {(0, 2)}


def test_numbers_do_not_matter_where_there_are_words_enough() -> None:
    assert near("Order 1234 of May 3 has not arrived.", "order 9 of May 17 has not arrived") == {(0, 1)}
    assert near("step 1", "step 2") == set()
    assert near("12", "13", "+", "-") == set()


def test_short_texts_are_near_only_if_their_words_are_equal() -> None:
    assert near("Thanks!", "thanks", "thanx", "Many thanks") == {(0, 1)}
    assert near(":-)", ":-(", ":-) ") == {(0, 2)}


def test_equal_words_have_similarity_one_and_other_numbers_less() -> None:
    _, similarity = alike_texts([LONG + " 17", LONG.upper() + " 17", LONG + " 4711"], np.ones(3, dtype=bool))
    assert sorted(similarity.tolist())[-1] == 1.0
    assert ALIKE <= min(similarity.tolist()) < 1.0


def test_equal_to_an_exhaustive_search() -> None:
    draw = random.Random(0)
    words = [f"{a}{b}" for a in ("stone", "river", "cloud", "ember", "frost") for b in ("", "bed", "light", "fall")]
    bases = [" ".join(draw.choices(words, k=40)) for _ in range(25)]
    texts = list(bases)
    for base in bases:
        for changes in (1, 2, 4, 12):
            cells = base.split()
            for at in draw.sample(range(40), changes):
                cells[at] = draw.choice(words)
            texts.append(" ".join(cells))
    expected = set()
    for i, j in itertools.combinations(range(len(texts)), 2):
        one, other = runs(texts[i]), runs(texts[j])
        if len(one & other) / len(one | other) >= ALIKE:
            expected.add((i, j))
    found = near(*texts)
    assert found <= expected
    assert _components(found, len(texts)) == _components(expected, len(texts))


def test_what_is_learned_from_does_not_depend_on_what_judges() -> None:
    texts = [LONG, "x y z", LONG.replace("Monday", "Friday"), LONG + " ok", LONG.upper()]
    learns = np.array([True, True, True, False, False])
    pairs, _ = alike_texts(texts, learns)
    alone, _ = alike_texts(texts[:3], np.ones(3, dtype=bool))
    assert [pair for pair in pairs.tolist() if max(pair) < 3] == alone.tolist()


def test_the_fingerprints_tell_runs_apart_and_nothing_else() -> None:
    draw = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz 0123456789äöü的一是\U0001f600\U0001f601"
    text = "".join(draw.choices(letters, k=20_000))
    different = {text[i : i + 5] for i in range(len(text) - 4)}
    hashes = shingles._runs(text)
    assert len(hashes) == len(text) - 4
    assert len(different) - 1 <= len(set(hashes.tolist())) <= len(different)  # 32 bits: one collision in 20 such texts
    assert hashes[100] == shingles._runs(text[100:105])[0]
    short = ["", "a", "b", "ab", "ba", "abcd", "abce", "abcde", "\0abcd"]
    assert len({int(shingles._runs(each)[0]) for each in short}) == len(short)


def test_the_estimate_is_jaccards() -> None:
    draw = random.Random(2)
    one, other = ("".join(draw.choices("abcd ", k=900)) for _ in range(2))
    sets = [{each[i : i + 5] for i in range(len(each) - 4)} for each in (one, other)]
    found = shingles.jaccard(*(shingles._as_set(shingles._runs(each)) for each in (one, other)))
    assert found == pytest.approx(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))


def test_a_long_text_costs_less_than_the_network() -> None:
    """A page took 18 ms where every run was hashed on its own; a network takes 5."""
    draw = random.Random(3)
    texts = [" ".join(f"word{draw.randrange(10**5)}" for _ in range(2200))[:20_000] for _ in range(20)]
    seconds = []
    for _ in range(3):
        start = time.process_time()
        near(*texts)
        seconds.append(time.process_time() - start)
    assert min(seconds) / len(texts) < 0.008


def test_nothing_is_near_to_nothing() -> None:
    assert near() == set()
    assert near("one") == set()


def _components(pairs: set[tuple[int, int]], n: int) -> set[frozenset[int]]:
    sets = [{i} for i in range(n)]
    for one, other in pairs:
        joined = [each for each in sets if one in each or other in each]
        sets = [each for each in sets if each not in joined] + [set().union(*joined)]
    return {frozenset(each) for each in sets}
