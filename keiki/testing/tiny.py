"""Tiny backbones and easy tasks: small enough that every contract check takes less than a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from keiki.backbones.base import Backbone, Card, Family, SourceHead, Stage
from keiki.backbones.stages import stages_of
from keiki.core.errors import UnknownName
from keiki.core.files import digest, sha256_bytes
from keiki.data.task import Dataset, Items, Modality, Part
from keiki.data.transforms.base import Array, Transform
from keiki.data.transforms.image import ImageTransform
from keiki.data.transforms.text import TokenTransform
from keiki.nn.linear import LinearHead

if TYPE_CHECKING:
    from torch import nn

CLASSES = ("blue", "green", "red")
WIDTH = 16  # of both networks, as in tiny_networks
SOURCE_CLASSES = 5
BORN = 100  # seeds from here on stand for random weights
WORDS = ("sky", "sea", "leaf", "grass", "rose", "fire", "the", "a", "is", "very")


class TinyVision(Backbone):
    """Two convolutions with BatchNorm and dropout: image (B, 3, 32, 32) -> features (B, 16)."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.card = _card("tiny:vision", "image", seed, 3792)

    def transforms(self) -> dict[str, Transform]:
        half = (0.5, 0.5, 0.5)
        squash = ImageTransform(mode="squash", size=32, mean=half, std=half)
        return {"squash-32": squash, "crop-32": ImageTransform(mode="crop", size=32, mean=half, std=half)}

    def module(self) -> nn.Module:
        from keiki.testing.tiny_networks import TinyConvolutions

        return TinyConvolutions(self.seed).eval()

    def stages(self) -> tuple[Stage, ...]:
        return stages_of(self.module())

    def source_head(self) -> SourceHead | None:
        return _source_head(self.seed)

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        pictures = np.random.default_rng(0).normal(size=(5, 3, 32, 32)).astype(np.float32)
        return {"image": pictures[:2]}, {"image": pictures[2:]}

    def graph(self, transform: Transform, folder: Path) -> Path:
        from keiki.engines.convert import convert

        return convert(self.module, *self.examples(transform), self.card.digest, folder)

    def randomised(self, seed: int) -> Backbone:
        return TinyVision(seed + BORN)


class TinyText(Backbone):
    """Mean of word vectors behind two layers: input_ids and attention_mask (B, T) -> features (B, 16)."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.card = _card("tiny:text", "text", seed, 800)

    def transforms(self) -> dict[str, Transform]:
        return {"tokens": TokenTransform(_tokenizer(), max_length=16, inputs=("input_ids", "attention_mask"))}

    def module(self) -> nn.Module:
        from keiki.testing.tiny_networks import TinyWords

        return TinyWords(len(WORDS) + 2, self.seed).eval()

    def stages(self) -> tuple[Stage, ...]:
        return stages_of(self.module())

    def source_head(self) -> SourceHead | None:
        return _source_head(self.seed)

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        return _token_rows(2, 3), _token_rows(3, 5)

    def graph(self, transform: Transform, folder: Path) -> Path:
        from keiki.engines.convert import convert

        return convert(self.module, *self.examples(transform), self.card.digest, folder)

    def randomised(self, seed: int) -> Backbone:
        return TinyText(seed + BORN)


class TinyFamily(Family):
    """tiny:vision and tiny:text, for tests that want a whole fit: put it into FAMILIES for as long as they run."""

    prefix: ClassVar[str] = "tiny"

    @classmethod
    def listed(cls) -> dict[str, str]:
        return {"tiny:vision": "three colours", "tiny:text": "ten words"}

    @classmethod
    def load(cls, name: str) -> Backbone:
        kinds: dict[str, type[Backbone]] = {"vision": TinyVision, "text": TinyText}
        if name not in kinds:
            raise UnknownName("tiny backbone", name, kinds)
        return kinds[name]()


def tiny_backbone(modality: Modality) -> Backbone:
    """The tiny backbone of a modality."""
    return TinyVision() if modality == "image" else TinyText()


def easy_dataset(modality: Modality, folder: Path, n_each: int = 12, seed: int = 0) -> Dataset:
    """Three classes that colours, or words, tell apart; every fourth item is a test item."""
    rng = np.random.default_rng(seed)
    labels = tuple(name for name in CLASSES for _ in range(n_each))
    ids = tuple(f"{name}-{i}" for i, name in enumerate(labels))
    if modality == "image":
        raws: list[Path | str] = [
            _picture(folder / f"{name}.png", label, rng) for name, label in zip(ids, labels, strict=True)
        ]
        digests = tuple(sha256_bytes(Path(raw).read_bytes()) for raw in raws)
    else:
        raws = [_sentence(label, rng) for label in labels]
        digests = tuple(sha256_bytes(str(raw).encode()) for raw in raws)
    parts: tuple[Part, ...] = tuple("test" if i % 4 == 3 else "train" for i in range(len(labels)))
    return Dataset("easy", Items(modality, ids, tuple(raws), digests), labels, parts)


def _card(name: str, modality: Modality, seed: int, parameters: int) -> Card:
    return Card(
        name=name,
        family="tiny",
        modality=modality,
        width=WIDTH,
        parameters=parameters,
        licence="Apache-2.0",
        origin="keiki.testing",
        digest=digest([name, seed]),
        language="English" if modality == "text" else "",
        pretrained=seed < BORN,
    )


def _source_head(seed: int) -> SourceHead | None:
    """A classifier of five classes that stands for the one of a pretraining; random weights have none."""
    if seed >= BORN:
        return None
    rng = np.random.default_rng(seed)
    head = LinearHead(rng.normal(size=(SOURCE_CLASSES, WIDTH)), rng.normal(size=SOURCE_CLASSES))
    return SourceHead(tuple(f"source-{i}" for i in range(SOURCE_CLASSES)), head)


def _picture(path: Path, label: str, rng: np.random.Generator) -> Path:
    from PIL import Image

    pixels = rng.integers(0, 160, size=(40, 48, 3))
    pixels[:, :, ("red", "green", "blue").index(label)] += 90
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def _sentence(label: str, rng: np.random.Generator) -> str:
    own = {"blue": ("sky", "sea"), "green": ("leaf", "grass"), "red": ("rose", "fire")}[label]
    words = [*rng.choice(own, size=2), *rng.choice(("the", "a", "is", "very"), size=rng.integers(2, 6))]
    return " ".join(rng.permutation(words)) + f" {rng.integers(10**9)}"


def _tokenizer() -> bytes:
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: i + 2 for i, word in enumerate(WORDS)}}
    description: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    return json.dumps(description).encode()


def _token_rows(n: int, length: int) -> dict[str, Array]:
    ids = (np.arange(n * length).reshape(n, length) % len(WORDS) + 2).astype(np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}
