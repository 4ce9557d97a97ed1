"""LoRA: weights move along products of two thin matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.errors import OptionError
from keiki.core.options import Linear, Log, option
from keiki.data.task import Target
from keiki.methods.base import METHODS, Model
from keiki.methods.limits import refuse_outside
from keiki.methods.merged_tuning import MergedTuning
from keiki.methods.targets import AUTO, moving_layers, wanted
from keiki.methods.tuning_config import TuningConfig

if TYPE_CHECKING:
    from keiki.nn.weight_changes import Layer


@METHODS.add("lora")
class Lora(MergedTuning):
    """The pretrained weights stand still; each gets a trained change of low rank, merged into it at the end.

    W = W0 + alpha / rank * B A,   A (rank, inputs) uniform within +-1 / sqrt(inputs),   B (outputs, rank) zero at first

    On linear layers, convolutions (a kernel counts as a matrix: outputs by inputs times places) and attention
    projections, in all stages that may move. `targets=auto` leaves out a weight that holds fewer numbers than its A
    and B would, for instance every depthwise convolution. Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large
    Language Models", arXiv:2106.09685, section 4. Deviation: no dropout on the way into A, because the change stands
    on the weight itself; each group of a grouped convolution gets an A and a B of its own.
    """

    name = "lora"
    paper = "arXiv:2106.09685"
    title = "low-rank adaptation (LoRA)"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        learning_rate: float = option(
            1e-3, "peak rate of the changes nearest to the head (AdamW)", search=Log(1e-5, 1e-1)
        )
        rank: int = option(8, "columns of B, rows of A", search=Log(1, 64))
        alpha: float = option(16.0, "the change is alpha / rank * B A", search=Linear(1, 128))
        targets: str = option(AUTO, "layers that change: auto, or parts of their names with commas between")

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "rank", 1)
            refuse_outside(self, "alpha", 0, above=True)

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        from keiki.nn.low_rank import LowRank

        model = super().build(backbone, target, bank)
        matrices = [layer for layer in moving_layers(model, self.config.freeze) if not layer.is_norm]
        chosen = self._chosen(matrices)
        for layer in chosen:
            layer.change(layer.weight, LowRank(layer, self.config.rank, self.config.alpha))
        names = {layer.name for layer in chosen}
        model.facts["changed"] = {
            "layers": sorted(names),
            "left_out": [layer.name for layer in matrices if layer.name not in names],
        }
        return model

    def _chosen(self, matrices: list[Layer]) -> list[Layer]:
        """The targets; refused is a rank that one of them cannot have, or that would make every change too large."""
        from keiki.nn.low_rank import fits

        rank, found = self.config.rank, wanted(matrices, self.config.targets)
        if self.config.targets == AUTO:
            fitting = [layer for layer in found if fits(layer, rank)]
            _refuse(found if not fitting else [], rank, "smaller than its change would be")
            return fitting
        _refuse([layer for layer in found if rank > min(layer.matrix)], rank, "of a lower rank")
        return found


def _refuse(layers: list[Layer], rank: int, why: str) -> None:
    if layers:
        largest = max(layers, key=lambda layer: min(layer.matrix))
        rows, columns = largest.matrix
        raise OptionError(
            f"Option 'rank' is {rank}, but '{largest.name}' ({rows} x {columns}) and {len(layers) - 1} other "
            f"layers are {why}.",
            hint="Lower the rank, or name other layers by --set targets=NAME,NAME",
        )
