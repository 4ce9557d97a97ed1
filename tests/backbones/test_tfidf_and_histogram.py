"""The two backbones without a network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer

from keiki.backbones.base import load
from keiki.core.errors import RequestError

TEXTS = ["red apple pie", "green apple", "blue sky", "sky over a red house"]


def test_tfidf_learns_its_terms_from_the_texts_it_is_fitted_on():
    backbone = load("tfidf").fitted(TEXTS)
    features = backbone.transform.collate([backbone.transform.prepare(text) for text in TEXTS])["features"]
    assert features.shape == (4, backbone.card.width)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(TEXTS).toarray()
    np.testing.assert_allclose(features[:, : words.shape[1]], words, rtol=1e-6)
    np.testing.assert_array_equal(backbone.matrix(TEXTS).toarray(), features)


def test_tfidf_before_fitting_says_what_to_do():
    with pytest.raises(RequestError, match=r"no vocabulary yet\. Call fitted"):
        load("tfidf").transforms()
    assert load("tfidf").card.width == 0


def test_refitting_forgets_and_gives_another_digest():
    first = load("tfidf").fitted(TEXTS)
    again = first.fitted(TEXTS[:2])
    assert again.card == load("tfidf").fitted(TEXTS[:2]).card
    assert again.card.digest != first.card.digest


def test_histogram_gives_as_many_numbers_as_its_card_says(tmp_path: Path):
    backbone = load("histogram")
    Image.new("RGB", (50, 40), "red").save(tmp_path / "a.png")
    features = backbone.transform.collate([backbone.transform.prepare(tmp_path / "a.png")])["features"]
    assert features.shape == (1, backbone.card.width)


@pytest.mark.parametrize("name", ["tfidf", "histogram"])
def test_there_is_no_network_behind_them(name: str, tmp_path: Path):
    backbone = load(name)
    assert backbone.card.pretrained is False
    assert backbone.card.parameters == 0
    assert backbone.stages() == ()
    with pytest.raises(RequestError, match="no network to train"):
        backbone.module()
    with pytest.raises(RequestError, match="no weights"):
        backbone.randomised(0)
    if name == "histogram":
        assert backbone.graph(backbone.transform, tmp_path) is None
