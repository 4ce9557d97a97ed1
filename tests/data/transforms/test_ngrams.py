"""TF-IDF by keiki is scikit-learn's, number for number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from keiki.core.errors import BundleError, UnreadableItem
from keiki.data.transforms.base import restore
from keiki.data.transforms.ngrams import NgramTransform

TEXTS = [
    "The cat sat on the mat.",
    "A cat, the CAT; cats!",
    "Übergrößen über   alles\tund  ß",
    "e-mail: foo@bar.com http://example.org/a_b?c=1",
    "x",
    "i ii iii",
    "日本語 の テキスト 日本語",
    "cafe\u0301 café",
    "newline\n\nand\r\nmore",
    "the the the the the",
]
NEW = ["the cat sat on another mat", "???", "a", "zzz qqq", "Café über alles the the"]


def oracle(texts: list[str], min_df: int, limit: int | None = None) -> FeatureUnion:
    shared = {"sublinear_tf": True, "min_df": min_df, "max_features": limit}
    words = TfidfVectorizer(ngram_range=(1, 2), **shared)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **shared)
    return FeatureUnion([("words", words), ("characters", characters)]).fit(texts)


@pytest.mark.parametrize("min_df", [1, 2])
def test_equals_scikit_learn(min_df: int) -> None:
    ours, theirs = NgramTransform.fit(TEXTS, min_df=min_df), oracle(TEXTS, min_df)
    names = [name.split("__", 1)[1] for name in theirs.get_feature_names_out()]
    assert [*ours.words.terms, *ours.characters.terms] == names
    for texts in (TEXTS, NEW):
        difference = abs(ours.matrix(texts) - theirs.transform(texts)).max()
        assert difference < 1e-6  # float32


def test_limit_keeps_the_most_frequent_terms() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), size=4)) for _ in range(60)]
    texts = [" ".join(rng.choice(words, size=20)) for _ in range(40)]
    ours, theirs = NgramTransform.fit(texts, limit=50, min_df=1), oracle(texts, 1, 50)
    counts = dict.fromkeys(ours.words.terms, 0)
    assert len(ours.words.terms) == len(ours.characters.terms) == 50
    their_words = set(theirs.transformer_list[0][1].vocabulary_)
    for text in texts:
        for word in text.split():
            if word in counts:
                counts[word] += 1
    border = min(counts.values())
    assert {term for term, count in counts.items() if count > border} <= their_words  # ties may fall either way


def test_terms_must_occur_twice_only_where_there_are_many_texts() -> None:
    few = NgramTransform.fit(["one apple", "two pears"])
    many = NgramTransform.fit(["one apple"] * 99 + ["two pears"])
    assert "pears" in few.words.terms
    assert "pears" not in many.words.terms


def test_each_part_has_length_one() -> None:
    transform = NgramTransform.fit(TEXTS)
    dense = transform.collate([transform.prepare(TEXTS[0])])["features"][0]
    border = len(transform.words.terms)
    np.testing.assert_allclose([np.linalg.norm(dense[:border]), np.linalg.norm(dense[border:])], 1, atol=1e-6)


def test_dense_batches_equal_the_sparse_matrix() -> None:
    transform = NgramTransform.fit(TEXTS)
    dense = transform.collate([transform.prepare(text) for text in NEW])["features"]
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense, transform.matrix(NEW).toarray())


def test_a_text_without_known_terms_is_all_zero() -> None:
    transform = NgramTransform.fit(["aaa bbb", "aaa ccc"])
    assert not transform.collate([transform.prepare("ÿÿÿÿ")])["features"].any()


def test_empty_text_is_refused() -> None:
    with pytest.raises(UnreadableItem, match="empty text"):
        NgramTransform.fit(TEXTS).prepare(" ")


def test_survives_json_with_its_file(tmp_path: Path) -> None:
    transform = NgramTransform.fit(TEXTS)
    for name, content in transform.files().items():
        (tmp_path / name).write_bytes(content)
    again = restore(json.loads(json.dumps(transform.to_json())), tmp_path)
    assert again == transform
    np.testing.assert_array_equal(again.prepare(NEW[0]), transform.prepare(NEW[0]))
    (tmp_path / "vocabulary.json").write_bytes(b"{}")
    with pytest.raises(BundleError):
        restore(transform.to_json(), tmp_path)
