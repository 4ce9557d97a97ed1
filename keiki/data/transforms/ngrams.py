"""Texts for the control without transfer: TF-IDF of word and character n-grams."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from keiki.core.errors import BundleError, DataError
from keiki.core.files import sha256_bytes
from keiki.data.passage import legible
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FILE = "vocabulary.json"
ENTRY = np.dtype([("column", np.int32), ("value", np.float32)])
MANY = 100  # texts from which a term must occur in two of them to count
_WORD = re.compile(r"\b\w\w+\b")
_LONGEST_KEPT = 40  # characters; longer "words" (links, hashes) are taken apart anew each time

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Terms in the order of their columns, and the inverse document frequency of each."""

    terms: tuple[str, ...]
    idf: tuple[float, ...]


@TRANSFORMS.add("ngrams")
@dataclass(frozen=True)
class NgramTransform(Transform):
    """Words and pairs of words, then runs of 2 to 5 characters inside words, each part scaled to length 1.

    weight of a term = (1 + ln count) * idf; idf = 1 + ln((1 + texts) / (1 + texts with the term)). Words have two
    letters or more, all is lower case, character runs see the word between blanks. This is scikit-learn's
    FeatureUnion of TfidfVectorizer(ngram_range=(1, 2)) and (analyzer="char_wb", ngram_range=(2, 5)) with
    sublinear_tf=True, number for number. Source: Salton and Buckley 1988, "Term-weighting approaches in automatic text
    retrieval", table 1.
    """

    words: Part
    characters: Part
    _lookup: _Lookup = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "ngrams"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lookup", _Lookup(self.words, self.characters))

    @classmethod
    def fit(cls, texts: Sequence[str], *, limit: int = 30_000, min_df: int | None = None) -> Self:
        """The transform whose terms are those of `texts`: the `limit` most frequent of each part.

        min_df: texts that a term must occur in; None means 2 from 100 texts on, else 1. Raises DataError where no term
        is left.
        """
        clean = [legible(text).lower() for text in texts]
        least = min_df or (2 if len(texts) >= MANY else 1)
        words = _fit_part([_words(text) for text in clean], limit, least)
        characters = _fit_characters(clean, limit, least)
        if not words.terms and not characters.terms:
            raise DataError(f"No word or run of characters occurs in {least} of {len(texts)} texts.")
        return cls(words, characters)

    @property
    def width(self) -> int:
        """V, the number of features."""
        return len(self.words.terms) + len(self.characters.terms)

    def prepare(self, raw: Raw) -> Array:
        """The terms that occur: array of (column, value), sorted by column; raises UnreadableItem."""
        text = legible(str(raw)).lower()
        words = _weighted(self._lookup.words_of(text), self._lookup.word_idf)
        characters = _weighted(self._lookup.runs_of(text), self._lookup.run_idf)
        characters["column"] += len(self.words.terms)
        return np.concatenate([words, characters])

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """{'features': float32 (B, V)}, dense."""
        features = np.zeros((len(prepared), self.width), dtype=np.float32)
        for row, entries in zip(features, prepared, strict=True):
            row[_field(entries, "column")] = _field(entries, "value")
        return {"features": features}

    def matrix(self, texts: Iterable[str]) -> csr_array:
        """float32 (N, V), sparse."""
        from scipy.sparse import csr_array

        prepared = [self.prepare(text) for text in texts]
        ends = np.cumsum([0, *(len(entries) for entries in prepared)])
        entries = np.concatenate([np.empty(0, ENTRY), *prepared])
        columns, values = _field(entries, "column"), _field(entries, "value")
        return csr_array((values, columns, ends), shape=(len(prepared), self.width))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "vocabulary": sha256_bytes(self.files()[FILE])}

    def files(self) -> dict[str, bytes]:
        parts = {"words": self.words, "characters": self.characters}
        data = {name: {"terms": part.terms, "idf": part.idf} for name, part in parts.items()}
        return {FILE: json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        content = (folder / FILE).read_bytes()
        if sha256_bytes(content) != data["vocabulary"]:
            raise BundleError(f"'{folder / FILE}' is not the vocabulary that this model was trained with.")
        parts = json.loads(content)
        words, characters = (Part(tuple(parts[n]["terms"]), tuple(parts[n]["idf"])) for n in ("words", "characters"))
        return cls(words, characters)


class _Lookup:
    """Columns of the terms of a text. Character runs hang on the word alone, so they are kept by word."""

    def __init__(self, words: Part, characters: Part) -> None:
        self.word_idf = np.array(words.idf, dtype=np.float64)
        self.run_idf = np.array(characters.idf, dtype=np.float64)
        self._words = {term: i for i, term in enumerate(words.terms)}
        self._runs = {term: i for i, term in enumerate(characters.terms)}
        self._known: dict[str, Numbers] = {}

    def words_of(self, text: str) -> Numbers:
        """Columns (with repeats) of the words and pairs of words."""
        found = [self._words[term] for term in _words(text) if term in self._words]
        return np.array(found, dtype=np.int64)

    def runs_of(self, text: str) -> Numbers:
        """Columns (with repeats) of the character runs."""
        return np.concatenate([np.empty(0, np.int64), *(self._runs_in(word) for word in text.split())])

    def _runs_in(self, word: str) -> Numbers:
        known = self._known.get(word)
        if known is None:
            known = np.array([self._runs[run] for run in _runs(word) if run in self._runs], dtype=np.int64)
            if len(word) <= _LONGEST_KEPT and len(self._known) < 100_000:
                self._known[word] = known
        return known


def _field(entries: Array, name: str) -> npt.NDArray[Any]:
    return entries.view(ENTRY)[name]


def _words(text: str) -> list[str]:
    """Words of a lower-case text, then its pairs of neighbouring words.

    >>> _words("a red apple falls")
    ['red', 'apple', 'falls', 'red apple', 'apple falls']
    """
    words = _WORD.findall(text)
    return words + [f"{first} {second}" for first, second in zip(words, words[1:], strict=False)]


def _runs(word: str) -> list[str]:
    """Runs of 2 to 5 characters of a word between blanks; what is shorter than a run stands for itself, once.

    >>> _runs("ab")
    [' a', 'ab', 'b ', ' ab', 'ab ', ' ab ']
    """
    padded = f" {word} "
    longest = min(5, len(padded))
    return [padded[at : at + n] for n in range(2, longest + 1) for at in range(len(padded) - n + 1)]


def _weighted(columns: Numbers, idf: npt.NDArray[np.float64]) -> npt.NDArray[np.void]:
    found, counts = np.unique(columns, return_counts=True)
    weights = (1 + np.log(counts)) * idf[found]
    entries = np.empty(len(found), ENTRY)
    entries["column"] = found
    entries["value"] = weights / np.sqrt((weights**2).sum()) if len(found) else weights
    return entries


def _fit_part(documents: Sequence[Sequence[str]], limit: int, least: int) -> Part:
    counts = Counter(chain.from_iterable(documents))
    spread = Counter(chain.from_iterable(set(document) for document in documents))
    return _chosen(counts, spread, len(documents), limit, least)


def _fit_characters(texts: Sequence[str], limit: int, least: int) -> Part:
    """`_fit_part` over character runs: (texts, words) @ (words, runs), so each different word is taken apart once."""
    from scipy.sparse import csr_array

    words: dict[str, int] = {}
    in_text = [[words.setdefault(word, len(words)) for word in text.split()] for text in texts]
    runs: dict[str, int] = {}
    in_word = [[runs.setdefault(run, len(runs)) for run in _runs(word)] for word in words]
    by_word = csr_array(_ones(in_text), shape=(len(texts), len(words)))
    counts = by_word @ csr_array(_ones(in_word), shape=(len(words), len(runs)))
    counts.sum_duplicates()
    total: list[int] = counts.sum(axis=0).tolist()
    spread = np.bincount(counts.indices, minlength=len(runs)).tolist()
    return _chosen(dict(zip(runs, total, strict=True)), dict(zip(runs, spread, strict=True)), len(texts), limit, least)


def _ones(rows: Sequence[Sequence[int]]) -> tuple[Numbers, Numbers, Numbers]:
    """A sparse matrix with 1 at these columns of each row, as (values, columns, borders); repeats add up."""
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    borders = np.cumsum([0, *map(len, rows)])
    return np.ones(len(columns), dtype=np.int64), columns, borders


def _chosen(counts: Mapping[str, int], spread: Mapping[str, int], n: int, limit: int, least: int) -> Part:
    """The most frequent terms, in alphabetical order; among equally frequent ones the alphabet decides."""
    common = sorted(term for term, texts in spread.items() if texts >= least)
    kept = sorted(sorted(common, key=lambda term: -counts[term])[:limit])
    return Part(tuple(kept), tuple(float(np.log((1 + n) / (1 + spread[term])) + 1) for term in kept))
