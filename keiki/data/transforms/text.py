"""Texts for a language network: token numbers, padded to the longest of the batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from tokenizers import Tokenizer

from keiki.core.errors import BundleError, OptionError
from keiki.core.files import sha256_bytes
from keiki.data.passage import legible
from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform

FILE = "tokenizer.json"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@TRANSFORMS.add("tokens")
@dataclass(frozen=True)
class TokenTransform(Transform):
    """A text as the numbers of its tokens, special tokens included, cut after `max_length`.

    tokenizer: the bytes of a tokenizer.json; padding and truncation that are set in there do not count.
    inputs: the names that the network wants, out of input_ids, attention_mask and token_type_ids.
    """

    tokenizer: bytes = field(repr=False)
    max_length: int = 256
    inputs: tuple[str, ...] = INPUTS
    _encoder: Tokenizer = field(init=False, repr=False, compare=False)
    _facts: _Facts = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "tokens"
    by_cost: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not set(self.inputs) <= set(INPUTS) or self.max_length < 1:
            raise OptionError(f"No such tokens: inputs {self.inputs}, at most {self.max_length}.")
        object.__setattr__(self, "_encoder", _encoder(self.tokenizer, self.max_length))
        object.__setattr__(self, "_facts", _facts(self.tokenizer, self._encoder))

    def prepare(self, raw: Raw) -> Array:
        """int64 (T,), 1 <= T <= max_length; raises UnreadableItem for an empty text."""
        return np.array(self._encoder.encode(legible(str(raw))).ids, dtype=np.int64)

    def prepare_all(self, raws: Sequence[str]) -> list[Array]:
        """`prepare` of many texts at once, on all cores; raises UnreadableItem if any is empty."""
        encodings = self._encoder.encode_batch_fast([legible(text) for text in raws])
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """Each wanted input as int64 (B, longest T)."""
        ids = np.full((len(prepared), max(len(each) for each in prepared)), self._facts.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, each in enumerate(prepared):
            ids[row, : len(each)] = each
            mask[row, : len(each)] = 1
        arrays: dict[str, Array] = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        }
        return {name: arrays[name] for name in self.inputs}

    def cost(self, prepared: Array) -> int:
        return len(prepared)

    def unknown_share(self, prepared: Array) -> float:
        """Share of tokens that the tokenizer has no piece for, special tokens left out; 0 where it knows all bytes."""
        own = np.isin(prepared, self._facts.special, invert=True)
        unknown = prepared == self._facts.unknown
        total = int((own | unknown).sum())
        return float(unknown.sum() / total) if total else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "max_length": self.max_length,
            "inputs": list(self.inputs),
            "tokenizer": sha256_bytes(self.tokenizer),
        }

    def files(self) -> dict[str, bytes]:
        return {FILE: self.tokenizer}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        tokenizer = (folder / FILE).read_bytes()
        if sha256_bytes(tokenizer) != data["tokenizer"]:
            raise BundleError(f"'{folder / FILE}' is not the tokenizer that this model was trained with.")
        return cls(tokenizer, int(data["max_length"]), tuple(data["inputs"]))


@dataclass(frozen=True)
class _Facts:
    """Numbers of tokens with a meaning of their own; unknown is -1 where the tokenizer has no such token."""

    pad: int
    unknown: int
    special: tuple[int, ...]


def _encoder(tokenizer: bytes, max_length: int) -> Tokenizer:
    encoder = Tokenizer.from_buffer(tokenizer)
    encoder.no_padding()  # padding belongs to collate; a tokenizer that pads on its own makes all texts long
    encoder.enable_truncation(max_length)
    return encoder


def _facts(tokenizer: bytes, encoder: Tokenizer) -> _Facts:
    described = json.loads(tokenizer)
    padding = (described.get("padding") or {}).get("pad_id")
    named = [encoder.token_to_id(name) for name in ("[PAD]", "<pad>", "<|endoftext|>")]
    pad = padding if padding is not None else next((number for number in named if number is not None), 0)
    model = described["model"]
    name = model.get("unk_token")
    unknown = encoder.token_to_id(name) if name else model.get("unk_id")
    special = tuple(int(each["id"]) for each in described.get("added_tokens", []) if each.get("special"))
    return _Facts(int(pad), -1 if unknown is None else int(unknown), special)
