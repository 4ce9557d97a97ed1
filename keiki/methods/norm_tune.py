"""Norm tuning: only the scales and shifts of the normalisation layers move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiki.core.errors import RequestError
from keiki.core.options import Log, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.tuning import Moves, Tuning, start, tune, validate
from keiki.methods.tuning_config import TuningConfig


@METHODS.add("norm-tune")
class NormTune(Tuning):
    """gamma and beta of every BatchNorm, LayerNorm, GroupNorm or RMSNorm move, and the head; all else is frozen.

    About 0.1 to 1 % of the numbers, and one of the strongest ways to adapt with few labels. The statistics of
    BatchNorms stand still unless --set batch_norm=moving.
    Source: Frankle et al. 2021, "Training BatchNorm and Only BatchNorm", arXiv:2003.00152; for transformers the
    LN-tune baseline of Basu et al. 2024, "Strong Baselines for Parameter-Efficient Few-Shot Fine-Tuning",
    arXiv:2304.01917. Deviation: it starts from a linear probe.
    """

    name = "norm-tune"
    paper = "arXiv:2003.00152"
    title = "norm layers only"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        learning_rate: float | Auto = option(
            1e-3, "peak rate of the norm layers nearest to the head (AdamW)", search=Log(1e-6, 1e-2)
        )

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, moves=_norms(model))
        yield validate(model, view, self.config)


def _norms(model: Model) -> Moves:
    """Which parameters move; raises RequestError where the network has no such layer."""
    from keiki.nn.kinds import is_norm

    if not any(is_norm(module) and list(module.parameters()) for module in model.network.body.modules()):
        raise RequestError(
            f"norm-tune needs normalisation layers with weights, but '{model.backbone.card.name}' has none.",
            hint="Use bitfit or lora instead.",
        )
    return lambda name, owner: is_norm(owner)
