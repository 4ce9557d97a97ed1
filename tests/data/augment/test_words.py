"""Variants of texts: whole words swap, tokens go, special tokens and at least one other stay."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from keiki.core.errors import OptionError
from keiki.data.augment.words import WordAugment
from keiki.data.transforms.text import TokenTransform

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
PIECES = ["un", "##be", "##lie", "##vable", "par", "##cel", "at", "home", "."]


def tokenizer(tokens: list[str], model: dict[str, Any], special: list[str] = SPECIAL) -> bytes:
    vocabulary = {token: number for number, token in enumerate([*special, *tokens])}
    added = [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for number, token in enumerate(special)
    ]  # fmt: skip
    return json.dumps(
        {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
            "model": {"vocab": vocabulary, "unk_token": "[UNK]", **model},
        }
    ).encode()  # fmt: skip


def wordpiece(**options: Any) -> WordAugment:
    model = {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    return WordAugment(TokenTransform(tokenizer(PIECES, model)), **options)


def numbers(*tokens: str) -> np.ndarray:
    return np.array([[*SPECIAL, *PIECES].index(token) for token in tokens], dtype=np.int64)


SENTENCE = numbers("[CLS]", "un", "##be", "##lie", "##vable", "par", "##cel", "[UNK]", "at", "home", ".", "[SEP]")


def pieces(words: WordAugment, ids: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(ids[place].tolist()) for place in words.words(ids)]


def test_a_word_is_all_its_pieces() -> None:
    assert pieces(wordpiece(), SENTENCE) == [(4, 5, 6, 7), (8, 9), (1,), (10,), (11,), (12,)]
    assert pieces(wordpiece(), numbers("##be", "[SEP]", "##cel", "un")) == [(5,), (9,), (4,)]  # cut off at the start
    assert pieces(wordpiece(), numbers("[CLS]", "[SEP]")) == []


@pytest.mark.parametrize(
    ("tokens", "model", "text", "expected"),
    [
        (["▁a", "b", "▁c"], {"type": "Unigram"}, ["▁a", "b", "▁c", "b", "b"], [2, 3]),
        (["a", "b", "Ġc"], {"type": "BPE", "merges": []}, ["a", "b", "Ġc", "b"], [2, 2]),
        (["a", "b</w>", "c</w>"], {"type": "BPE", "merges": [], "end_of_word_suffix": "</w>"},
         ["a", "b</w>", "c</w>", "a", "c</w>"], [2, 1, 2]),
        (["a", "b"], {"type": "WordLevel"}, ["a", "b", "a"], [1, 1, 1]),
    ],
)  # fmt: skip
def test_every_kind_of_tokenizer_marks_its_words(
    tokens: list[str], model: dict[str, Any], text: list[str], expected: list[int]
) -> None:
    if model["type"] == "Unigram":
        scored = [[token, -1.0] for token in [*SPECIAL, *tokens]]
        data = json.loads(tokenizer(tokens, model))
        data["model"] = {"type": "Unigram", "unk_id": 1, "vocab": scored, "byte_fallback": False}
        made = WordAugment(TokenTransform(json.dumps(data).encode()))
    else:
        made = WordAugment(TokenTransform(tokenizer(tokens, model)))
    ids = np.array([[*SPECIAL, *tokens].index(token) for token in text], dtype=np.int64)
    assert [len(word) for word in pieces(made, ids)] == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1), st.integers(1, 40), st.integers(0, 99))
def test_swapping_moves_whole_words_and_nothing_else(seed: int, share: float, length: int, text: int) -> None:
    ids = np.random.default_rng(text).integers(0, len(SPECIAL) + len(PIECES), size=length)
    made = wordpiece(swap=share)
    out = made.draw(ids, np.random.default_rng(seed))
    assert Counter(out.tolist()) == Counter(ids.tolist())
    special = [2, 3, 0]
    np.testing.assert_array_equal(
        [i for i in out.tolist() if i in special], [i for i in ids.tolist() if i in special]
    )  # in their order
    assert out.dtype == np.int64
    if share == 0:
        np.testing.assert_array_equal(out, ids)


def slow_swap(words: list[tuple[int, ...]], n: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The paper's random swap, word for word: two positions at random change places, n times."""
    words = list(words)
    for _ in range(n):
        one, other = rng.choice(len(words), size=2, replace=False)
        words[one], words[other] = words[other], words[one]
    return words


@pytest.mark.parametrize(("share", "n"), [(0.01, 1), (0.34, 2), (1.0, 6)])
def test_swaps_are_those_of_the_paper(share: float, n: int) -> None:
    made = wordpiece(swap=share)
    for seed in range(20):
        expected = slow_swap(pieces(made, SENTENCE), n, np.random.default_rng(seed))
        out = made.draw(SENTENCE, np.random.default_rng(seed))
        assert out.tolist() == [2, *(i for word in expected for i in word), 3]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.99), st.integers(1, 12), st.integers(0, 99))
def test_never_all_tokens_and_never_special_ones_go(seed: int, share: float, length: int, text: int) -> None:
    ids = np.random.default_rng(text).integers(0, len(SPECIAL) + len(PIECES), size=length)
    out = wordpiece(dropout=share).draw(ids, np.random.default_rng(seed))
    own, special = [i for i in ids.tolist() if i not in (0, 2, 3)], [i for i in ids.tolist() if i in (0, 2, 3)]
    left = [i for i in out.tolist() if i not in (0, 2, 3)]
    assert [i for i in out.tolist() if i in (0, 2, 3)] == special
    assert len(left) >= min(1, len(own))
    remaining = iter(own)
    assert all(i in remaining for i in left)  # in their order


def test_tokens_go_at_the_asked_rate() -> None:
    made, rng = wordpiece(dropout=0.2), np.random.default_rng(0)
    ids = np.tile(SENTENCE[1:-1], 10)
    gone = sum(len(ids) - len(made.draw(ids, rng)) for _ in range(200))
    assert binomtest(gone, 200 * len(ids), 0.2).pvalue > 1e-3


def test_a_text_of_one_word_stays_itself() -> None:
    ids = numbers("[CLS]", "home", "[SEP]")
    for seed in range(20):
        np.testing.assert_array_equal(wordpiece(dropout=0.9, swap=1.0).draw(ids, np.random.default_rng(seed)), ids)


def test_equal_streams_draw_equal_texts_and_what_is_kept_stays() -> None:
    made, before = wordpiece(dropout=0.3, swap=0.3), SENTENCE.copy()
    first = [made.draw(SENTENCE, np.random.default_rng(seed)).tolist() for seed in range(10)]
    assert first == [
        wordpiece(dropout=0.3, swap=0.3).draw(SENTENCE, np.random.default_rng(s)).tolist() for s in range(10)
    ]
    np.testing.assert_array_equal(SENTENCE, before)
    assert len({tuple(each) for each in first}) > 5
    out = wordpiece().draw(SENTENCE, np.random.default_rng(0))
    out[:] = 0
    np.testing.assert_array_equal(SENTENCE, before)


def test_the_tokenizer_that_comes_with_the_install_has_words() -> None:
    from keiki.backbones.base import load

    transform = load("minilm-l6").transform
    assert isinstance(transform, TokenTransform)
    ids = np.asarray(transform.prepare("unbelievably transmogrified parcels"), dtype=np.int64)
    found = WordAugment(transform).words(ids)
    assert [place.stop - place.start for place in found] == [5, 4, 1]


@pytest.mark.parametrize("options", [{"dropout": 1.0}, {"dropout": -0.1}, {"swap": 1.5}])
def test_options_without_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="No such augmentation"):
        wordpiece(**options)
