"""What a text network makes of texts: pieces that it does not know, ends that it does not see, languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from keiki.core.errors import UnreadableItem
from keiki.data.transforms.text import TokenTransform

LETTERS = 20  # a shorter text does not tell its language
NAMES = {
    "ar": "Arabic",
    "bn": "Bengali",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "la": "Latin",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


@dataclass(frozen=True)
class Reading:
    """Shares of tokens without a piece of their own, and of texts that are longer than the network reads."""

    unknown_tokens: float
    truncated: float
    longest: int  # tokens, those that mark beginning and end included
    limit: int


def reading(transform: TokenTransform, texts: Sequence[str]) -> Reading:
    """How `transform` reads `texts`; unreadable ones do not count."""
    from tokenizers import Tokenizer

    whole = Tokenizer.from_buffer(transform.tokenizer)
    whole.no_truncation()
    whole.no_padding()
    unknown, tokens, lengths = 0.0, 0, []
    for text in texts:
        try:
            prepared = transform.prepare(text)
        except UnreadableItem:
            continue
        unknown += transform.unknown_share(prepared) * len(prepared)
        tokens += len(prepared)
        lengths.append(len(whole.encode(text).ids))
    cut = sum(length > transform.max_length for length in lengths)
    return Reading(unknown / max(1, tokens), cut / max(1, len(lengths)), max(lengths, default=0), transform.max_length)


def languages(texts: Sequence[str]) -> dict[str, float]:
    """ISO 639-1 code -> share of the texts that are long enough to tell; the most frequent first, empty where none is.

    Source: Lui and Baldwin 2012, "langid.py: an off-the-shelf language identification tool".

    >>> languages(["The quick brown fox jumps over the lazy dog.", "short"])
    {'en': 1.0}
    """
    from py3langid import classify

    told = [classify(text)[0] for text in texts if sum(map(str.isalpha, text)) >= LETTERS]
    return {code: count / len(told) for code, count in Counter(told).most_common()}


def reads(backbone_language: str, code: str) -> bool:
    """Whether a card's language ('English', 'en', 'multilingual', 'en, de') covers the language `code`.

    What the card does not say is given the benefit of the doubt.

    >>> reads("English", "de"), reads("['en', 'de']", "de"), reads("unknown", "de")
    (False, True, True)
    """
    said = backbone_language.casefold()
    if not said or said == "unknown" or "multi" in said:
        return True
    words = {word.strip("[]'\" ") for word in said.replace(";", ",").replace(" ", ",").split(",")}
    return code in words or NAMES.get(code, code).casefold() in words
