"""Scale and shift: every layer keeps what it computes, each output channel is scaled and shifted."""

from __future__ import annotations

from dataclasses import dataclass

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.options import Log, option
from keiki.data.task import Target
from keiki.methods.base import METHODS, Model
from keiki.methods.merged_tuning import MergedTuning
from keiki.methods.targets import AUTO, moving_layers, wanted
from keiki.methods.tuning_config import TuningConfig


@METHODS.add("film")
class Film(MergedTuning):
    """Two trained numbers an output channel: a scale gamma, 1 at first, and a shift beta, 0 at first.

    W = gamma * W0 (row by row),   b = b0 + beta

    On linear layers, convolutions, attention projections and norms of the stages that may move; merged at the end. A
    layer without a bias, or whose bias is shared with others, is only scaled: in most networks a norm follows it, and
    that is shifted. Statistics of BatchNorms stand still. Source: Lian et al. 2022, "Scaling & Shifting Your Features",
    arXiv:2210.08823, section 3.2; on norms of few-shot networks: Shysheya et al. 2022, "FiT", arXiv:2206.08671 (there
    only some layers: `targets`). Deviation: b0 is not scaled by gamma, which beta makes up for; the scales start at
    exactly 1 and the shifts at exactly 0, not near to them.
    """

    name = "film"
    paper = "arXiv:2210.08823"
    title = "scale and shift (FiLM, SSF)"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        learning_rate: float = option(
            1e-3, "peak rate of scales and shifts nearest to the head (AdamW)", search=Log(1e-5, 1e-1)
        )
        targets: str = option(AUTO, "layers that are scaled: auto, or parts of their names with commas between")

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        from keiki.nn.scaling import scale_and_shift

        model = super().build(backbone, target, bank)
        chosen = wanted(moving_layers(model, self.config.freeze), self.config.targets)
        for layer in chosen:
            scale_and_shift(layer)
        model.facts["changed"] = {"layers": [layer.name for layer in chosen]}
        return model
