"""Texts become tokens of their own length, and padding never counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from keiki.core.errors import BundleError, OptionError, UnreadableItem
from keiki.data.transforms.base import restore
from keiki.data.transforms.text import TokenTransform

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "apple", "falls"]


@pytest.fixture(scope="module")
def tokenizer() -> bytes:
    """A word tokenizer that pads to 128 on its own, as MiniLM's does."""
    model = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    model.normalizer = normalizers.BertNormalizer(lowercase=True)
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    model.add_special_tokens(WORDS[:4])
    model.enable_padding(length=128, pad_id=0)
    model.enable_truncation(128)
    return model.to_str().encode()


def test_tokens_have_the_texts_own_length(tokenizer: bytes) -> None:
    transform = TokenTransform(tokenizer)
    prepared = transform.prepare("A red apple")
    assert prepared.tolist() == [2, 4, 5, 6, 3]
    assert prepared.dtype == np.int64
    assert transform.cost(prepared) == 5


def test_cut_at_the_length_that_was_asked_for(tokenizer: bytes) -> None:
    assert len(TokenTransform(tokenizer, max_length=6).prepare("apple " * 100)) == 6
    assert len(TokenTransform(tokenizer, max_length=256).prepare("apple " * 200)) == 202


def test_batch_is_padded_to_its_longest(tokenizer: bytes) -> None:
    transform = TokenTransform(tokenizer)
    found = transform.collate([transform.prepare("apple"), transform.prepare("a red apple")])
    assert found["input_ids"].tolist() == [[2, 6, 3, 0, 0], [2, 4, 5, 6, 3]]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert found["token_type_ids"].tolist() == [[0] * 5] * 2
    assert {each.dtype for each in found.values()} == {np.dtype(np.int64)}


def test_only_the_inputs_that_the_network_wants(tokenizer: bytes) -> None:
    transform = TokenTransform(tokenizer, inputs=("input_ids", "attention_mask"))
    assert list(transform.collate([transform.prepare("a")])) == ["input_ids", "attention_mask"]
    with pytest.raises(OptionError):
        TokenTransform(tokenizer, inputs=("pixels",))


@pytest.mark.parametrize("text", ["", "  \n\t ", "\x00", "\u3000"])
def test_empty_texts_are_refused(tokenizer: bytes, text: str) -> None:
    with pytest.raises(UnreadableItem, match="empty text"):
        TokenTransform(tokenizer).prepare(text)


@pytest.mark.parametrize("text", ["red\x00apple", "red \ud800 apple", "\udfff red apple 😀", "red apple\ufeff"])
def test_odd_characters_do_no_harm(tokenizer: bytes, text: str) -> None:
    assert {5, 6} <= set(TokenTransform(tokenizer).prepare(text).tolist())


def test_many_at_once_are_the_same_as_one_by_one(tokenizer: bytes) -> None:
    transform = TokenTransform(tokenizer)
    texts = ["a red apple", "apple", "falls a\x00 red"]
    for one, other in zip(transform.prepare_all(texts), [transform.prepare(text) for text in texts], strict=True):
        np.testing.assert_array_equal(one, other)


def test_unknown_share_counts_words_only(tokenizer: bytes) -> None:
    transform = TokenTransform(tokenizer)
    assert transform.unknown_share(transform.prepare("a red pear falls")) == 0.25
    assert transform.unknown_share(transform.prepare("a red apple")) == 0.0


def test_tokenizer_without_unknown_tokens_knows_all() -> None:
    alphabet = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    model = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    transform = TokenTransform(model.to_str().encode(), inputs=("input_ids", "attention_mask"))
    assert transform.unknown_share(transform.prepare("日本 😀")) == 0.0


def test_survives_json_with_its_file(tokenizer: bytes, tmp_path: Path) -> None:
    transform = TokenTransform(tokenizer, max_length=7, inputs=("input_ids", "attention_mask"))
    for name, content in transform.files().items():
        (tmp_path / name).write_bytes(content)
    again = restore(json.loads(json.dumps(transform.to_json())), tmp_path)
    assert again == transform
    np.testing.assert_array_equal(again.prepare("a red apple"), transform.prepare("a red apple"))


def test_another_tokenizer_is_refused(tokenizer: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(tokenizer + b" ")
    with pytest.raises(BundleError):
        restore(TokenTransform(tokenizer).to_json(), tmp_path)
