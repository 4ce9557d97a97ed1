"""Variants of a text: some of its tokens left out, some of its words swapped.

Random deletion and random swap of "easy data augmentation", on what the tokenizer has made of the text: Wei and Zou
2019, arXiv:1901.11196, section 2. A word is all the pieces that the tokenizer has cut it into; special tokens stay
where they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from keiki.core.errors import OptionError
from keiki.data.task import Index
from keiki.data.transforms.base import Array
from keiki.data.transforms.text import TokenTransform

Flags = npt.NDArray[np.bool_]
Told = Callable[[str], bool]
_STARTS = ("▁", "Ġ")  # what the first piece of a word begins with: SentencePiece; byte-level BPE


@dataclass(frozen=True)
class WordAugment:
    """How texts for `source` vary.

    swap: so many pairs of words, as a share of the words (at least one pair), change places, one after the other.
    dropout: each token is left out with this probability; if all would be, one stays, as in the paper.
    Deviation: the paper deletes whole words; a word of several pieces may lose some of them.
    """

    source: TokenTransform
    dropout: float = 0.0
    swap: float = 0.0
    _pieces: _Pieces = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (0 <= self.dropout < 1 and 0 <= self.swap <= 1):
            raise OptionError(f"No such augmentation: dropout={self.dropout}, swap={self.swap}.")
        object.__setattr__(self, "_pieces", _pieces(self.source.tokenizer))

    def draw(self, kept: Array, rng: np.random.Generator) -> Array:
        """int64 (T,) to int64 (T',) with 1 <= T' <= T, and all special tokens."""
        ids = np.array(kept, dtype=np.int64)
        if self.swap:
            ids = self._swapped(ids, rng)
        return self._thinned(ids, rng) if self.dropout else ids

    def words(self, ids: Index) -> list[slice]:
        """Where the words of a text lie among its tokens."""
        own = ~self._pieces.fixed[ids]
        after = np.concatenate([[True], ~own[:-1] | self._pieces.ends[ids[:-1]]])
        first = own & (self._pieces.starts[ids] | after)
        borders = np.append(np.flatnonzero(~own | first), len(ids))
        starts = np.flatnonzero(first)
        stops = borders[np.searchsorted(borders, starts, side="right")]
        return [slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]

    def _swapped(self, ids: Index, rng: np.random.Generator) -> Index:
        places = self.words(ids)
        if len(places) < 2:
            return ids
        order = np.arange(len(places))
        for _ in range(max(1, int(self.swap * len(places)))):
            one, other = rng.choice(len(places), size=2, replace=False)
            order[[one, other]] = order[[other, one]]
        pieces, done = [], 0
        for place, word in zip(places, order, strict=True):
            pieces += [ids[done : place.start], ids[places[word]]]
            done = place.stop
        return np.concatenate([*pieces, ids[done:]])

    def _thinned(self, ids: Index, rng: np.random.Generator) -> Index:
        own = np.flatnonzero(~self._pieces.fixed[ids])
        if not len(own):
            return ids
        gone = rng.random(len(own)) < self.dropout
        if gone.all():
            gone[rng.integers(len(own))] = False
        return np.delete(ids, own[gone])


@dataclass(frozen=True)
class _Pieces:
    """For every token number: whether it is special, whether a word begins with it, whether one ends with it."""

    fixed: Flags
    starts: Flags
    ends: Flags


def _pieces(tokenizer: bytes) -> _Pieces:
    described = json.loads(tokenizer)
    vocabulary = Tokenizer.from_buffer(tokenizer).get_vocab(with_added_tokens=True)
    special = {int(each["id"]) for each in described.get("added_tokens", []) if each.get("special")}
    special.discard(_unknown(described["model"], vocabulary))  # it stands for a word
    begins, closes = _marks(described["model"], vocabulary)
    found = _Pieces(*(np.zeros(max(vocabulary.values()) + 1, dtype=np.bool_) for _ in range(3)))
    for token, number in vocabulary.items():
        found.fixed[number], found.starts[number], found.ends[number] = number in special, begins(token), closes(token)
    return found


def _unknown(model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> int:
    number = vocabulary.get(model.get("unk_token") or "", model.get("unk_id"))
    return -1 if number is None else int(number)


def _marks(model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> tuple[Told, Told]:
    """How the tokenizer marks a piece that begins a word, and one that ends it."""
    prefix, suffix = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")
    if prefix:
        return (lambda token: not token.startswith(prefix)), _never
    if suffix:
        return _never, (lambda token: token.endswith(suffix))
    if any(token.startswith(_STARTS) for token in vocabulary):
        return (lambda token: token.startswith(_STARTS)), _never
    return _never, (lambda token: True)  # each token is a word


def _never(token: str) -> bool:
    return False
