"""What a text network sees of texts."""

from __future__ import annotations

import pytest

from keiki.data.language import languages, reading, reads
from keiki.data.transforms.text import TokenTransform
from keiki.testing.tiny import tiny_backbone


def transform() -> TokenTransform:
    found = tiny_backbone("text").transform
    assert isinstance(found, TokenTransform)
    return found


def test_unknown_and_cut_off_tokens_are_counted() -> None:
    texts = ["sky sea", "xyzzy sky", "rose " * 40, " "]
    found = reading(transform(), texts)
    lengths = [len(transform().prepare(text)) for text in texts[:3]]
    assert lengths[2] == transform().max_length == found.limit
    assert found.longest == 40 + lengths[0] - 2
    assert found.truncated == pytest.approx(1 / 3)
    shares = [transform().unknown_share(transform().prepare(text)) for text in texts[:3]]
    expected = sum(share * n for share, n in zip(shares, lengths, strict=True)) / sum(lengths)
    assert found.unknown_tokens == pytest.approx(expected)
    assert found.unknown_tokens > 0


def test_nothing_read_is_nothing_unknown() -> None:
    found = reading(transform(), [])
    assert (found.unknown_tokens, found.truncated, found.longest) == (0.0, 0.0, 0)


def test_languages_of_longer_texts() -> None:
    german = "Mein Paket ist noch immer nicht angekommen, und niemand weiß, wo es liegt."
    english = "My parcel has still not arrived, and nobody knows where it is."
    assert languages([german, english, german, german, "ok"]) == {"de": 0.75, "en": 0.25}
    assert languages(["ok", "12345"]) == {}


def test_cards_say_their_languages_in_many_ways() -> None:
    assert reads("English", "en")
    assert reads("en", "en")
    assert reads("en, de; fr", "fr")
    assert reads("multilingual", "th")
    assert reads("", "th")
    assert not reads("en", "de")
    assert not reads("English", "fr")
