"""BitFit: only the biases move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.core.errors import RequestError
from keiki.core.options import Log, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import TuningConfig


@METHODS.add("bitfit")
class BitFit(Tuning):
    """Every additive bias of the network moves (those of norm layers too), and the head; all else is frozen.

    Source: Ben Zaken et al. 2022, "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
    Language-models", arXiv:2106.10199. Deviation: it starts from a linear probe.
    """

    name = "bitfit"
    paper = "arXiv:2106.10199"
    title = "biases only"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        learning_rate: float | Auto = option(
            1e-3, "peak rate of the biases nearest to the head (AdamW)", search=Log(1e-6, 1e-2)
        )

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        if not any(is_bias(name) for name, _ in model.network.body.named_parameters()):
            raise RequestError(
                f"bitfit needs biases, but '{model.backbone.card.name}' has none.",
                hint="Use norm-tune or lora instead.",
            )
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, moves=lambda name, owner: is_bias(name))
        yield validate(model, view, self.config)


def is_bias(name: str) -> bool:
    """Whether a parameter is an additive bias, by its name: `bias`, `q_bias`, `in_proj_bias`.

    >>> is_bias("blocks.0.attn.in_proj_bias"), is_bias("blocks.0.attn.relative_position_bias_table")
    (True, False)
    """
    last = name.rpartition(".")[2]
    return last == "bias" or last.endswith("_bias")
