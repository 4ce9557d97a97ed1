"""Adapters: small trained bottlenecks between the frozen blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.errors import RequestError
from keiki.core.options import Log, option
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.limits import refuse_outside
from keiki.methods.targets import moving_parts
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import TuningConfig

if TYPE_CHECKING:
    from torch import nn

ENDS = ("stem", "head")  # stages that are no blocks


@METHODS.add("adapter")
class AdapterTuning(Tuning):
    """The pretrained weights stand still; what each block gives goes through a small trained network of its own.

    h -> h + up(gelu(down(h))),   down: C -> C / reduction,   up: C / reduction -> C, zero at first

    After every block that may move; token by token, or place by place in maps. An adapter bends its input, so it cannot
    be merged and stays in the network that ships. Source: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning
    for NLP", arXiv:1902.00751, section 2. Deviation: one adapter after the whole block and its shortcut, where the
    paper has two within, before the shortcuts; the norms stand still; exactly the identity at first, not nearly.
    """

    name = "adapter"
    family = "parameter-efficient"
    paper = "arXiv:1902.00751"
    title = "adapters after the blocks"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        learning_rate: float = option(
            1e-3, "peak rate of the adapters nearest to the head (AdamW)", search=Log(1e-5, 1e-1)
        )
        reduction: int = option(8, "channels of a block over those in the middle of its adapter", search=Log(1, 64))

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "reduction", 1)

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        from keiki.nn.adapters import insert_adapters

        model = super().build(backbone, target, bank)
        places = _places(model, self.config.freeze)
        example, _ = backbone.examples(backbone.transforms()[model.transform_name])
        placed = insert_adapters(model.network.body, places, example, self.config.reduction)
        if not placed:
            raise RequestError(
                f"No stage of '{backbone.card.name}' that may move has a block that an adapter could follow.",
                hint="Use --method lora, or freeze fewer stages.",
            )
        model.facts["adapters"] = {"after": placed, "left_out": [name for name in places if name not in placed]}
        return model

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, moves=_is_adapter)
        yield validate(model, view, self.config)


def _places(model: Model, freeze: str) -> list[str]:
    """The last module of every block that may move."""
    moving = moving_parts(model, freeze)
    modules = {name for name, _ in model.network.body.named_modules()}
    ends = [stage.modules[-1] for stage in model.backbone.stages() if stage.name in moving and stage.name not in ENDS]
    return [name for name in ends if name in modules]


def _is_adapter(name: str, owner: nn.Module) -> bool:
    from keiki.nn.adapters import NAME

    return f".{NAME}." in name
