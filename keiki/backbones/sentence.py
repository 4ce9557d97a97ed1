"""How the tokens of a text model become one vector, by the files of sentence-transformers in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keiki.core.errors import RequestError
from keiki.core.files import read_json

LEGACY = {  # older files have one switch a pooling; several may be on, and stand side by side in this order
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
KNOWN = ("Transformer", "Pooling", "Normalize")
LONGEST = 100_000  # tokenizers without a limit of their own give numbers above this


@dataclass(frozen=True)
class Sentence:
    """Poolings set side by side, unit length or not, tokens kept of a text, inputs of the network.

    `declared` is False where the folder holds a bare encoder, and mean pooling is our choice.
    """

    poolings: tuple[str, ...]
    normalise: bool
    max_length: int
    lowercase: bool
    inputs: tuple[str, ...]
    declared: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_sentence(folder: Path) -> Sentence:
    """What the files in `folder` say; raises RequestError for parts that keiki cannot reproduce exactly."""
    config = read_json(folder / "config.json")
    transformer = _optional(folder / "sentence_bert_config.json")
    modules = _modules(folder)
    _refuse_prompts(folder)
    pooling = next((path for kind, path in modules if kind == "Pooling"), None)
    return Sentence(
        poolings=_poolings(read_json(folder / pooling / "config.json")) if pooling else ("mean",),
        normalise=any(kind == "Normalize" for kind, _ in modules),
        max_length=_max_length(folder, config, transformer),
        lowercase=bool(transformer.get("do_lower_case", False)),
        inputs=("input_ids", "attention_mask") + (("token_type_ids",) if config.get("type_vocab_size", 0) > 1 else ()),
        declared=pooling is not None,
    )


def lowercased(tokenizer: bytes) -> bytes:
    """The tokenizer with its texts brought to lower case first."""
    described = json.loads(tokenizer)
    own = described.get("normalizer")
    described["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *([own] if own else [])]}
    return json.dumps(described, ensure_ascii=False).encode("utf-8")


def _modules(folder: Path) -> list[tuple[str, str]]:
    """(kind, subfolder) of each module after the encoder."""
    listed = read_json(folder / "modules.json") if (folder / "modules.json").exists() else []
    modules = [(str(each["type"]).rpartition(".")[2], str(each["path"])) for each in listed]
    for kind, _ in modules:
        if kind not in KNOWN:
            raise RequestError(
                f"The model in '{folder.name}' has a module '{kind}', which keiki does not reproduce.",
                hint=f"Choose a model made of {', '.join(KNOWN)} only.",
            )
    return modules


def _refuse_prompts(folder: Path) -> None:
    prompt = _optional(folder / "config_sentence_transformers.json").get("default_prompt_name")
    if prompt is not None:
        raise RequestError(
            f"The model in '{folder.name}' puts a prompt ('{prompt}') before every text; keiki does not.",
            hint="Choose a model without a default prompt.",
        )


def _poolings(config: dict[str, Any]) -> tuple[str, ...]:
    if "pooling_mode" in config:
        modes = config["pooling_mode"]
        return (modes,) if isinstance(modes, str) else tuple(modes)
    return tuple(mode for switch, mode in LEGACY.items() if config.get(switch)) or ("mean",)


def _max_length(folder: Path, config: dict[str, Any], transformer: dict[str, Any]) -> int:
    """The sentence config's limit; else the smaller of the tokenizer's and the network's, as sentence-transformers."""
    declared = transformer.get("max_seq_length")
    if declared is not None:
        return int(declared)
    limits = (
        _optional(folder / "tokenizer_config.json").get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    return min((int(limit) for limit in limits if limit is not None and limit < LONGEST), default=512)


def _optional(path: Path) -> dict[str, Any]:
    return dict(read_json(path)) if path.exists() else {}
