"""What the methods share that keep a network near to the one it was pretrained as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from keiki.backbones.base import SourceHead
from keiki.core.errors import OptionError, RequestError
from keiki.core.options import Log, option
from keiki.methods.base import Descend, Model
from keiki.methods.limits import refuse_outside
from keiki.methods.tuning_config import TuningConfig

if TYPE_CHECKING:
    from torch import Tensor

    from keiki.nn.network import Seen


@dataclass(frozen=True, kw_only=True)
class PullConfig(TuningConfig):
    """Options of a penalty alpha on the body and beta on the head, which take the place of weight decay."""

    alpha: float = option(0.01, "pull of the pretrained weights toward where they started", search=Log(1e-4, 1.0))
    beta: float = option(0.01, "pull of the head toward zero", search=Log(1e-4, 1.0))
    weight_decay: float = option(0.0, "stays 0: alpha and beta take its place")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_outside(self, "alpha", 0)
        refuse_outside(self, "beta", 0)
        if self.weight_decay != 0:
            raise OptionError(
                f"Option 'weight_decay' must be 0 here, but got {self.weight_decay}: it would pull toward zero what "
                "alpha pulls toward the source.",
                hint="Leave it out, and set alpha for the body and beta for the head.",
            )


def add_source_head(model: Model, method: str) -> Model:
    """The model with the classifier of its pretraining as `network.source_head`, which can learn and is not shipped."""
    from keiki.nn.distillation import linear_layer

    model.network.source_head = linear_layer(source_head(model, method).head)
    return model


def source_head(model: Model, method: str) -> SourceHead:
    """The classifier that the backbone was pretrained with; raises RequestError where there is none."""
    found = model.backbone.source_head()
    if found is None:
        raise RequestError(
            f"Method '{method}' needs the classifier that a network was pretrained with, and "
            f"'{model.backbone.card.name}' comes without one.",
            hint="Use --method l2-sp or --method delta, which need none, or start from a model of your own by --from.",
        )
    return found


def moving_source_head(phase: Descend, model: Model) -> Descend:
    """The phase with the source head moving like the stage nearest to it; where no stage moves, it lies still too."""
    (move,) = phase.moves
    stages = list(move.groups)[1:]  # the first group is the task's head
    if not stages:
        return phase
    source = replace(stages[0], parameters=list(model.network.source_head.parameters()), name="head of the source")
    return replace(phase, moves=[replace(move, groups=[*move.groups, source])])


def frozen_answers(model: Model, method: str) -> Callable[[Seen], Tensor]:
    """Logits (B, Z) of the source network, as it was, for the very inputs that a batch showed the tuned one."""

    @cache
    def teacher() -> tuple[Tensor, Tensor]:
        import torch

        from keiki.nn.distillation import linear_layer

        with torch.random.fork_rng(devices=[]):  # built in the first step, whose dropout must not hang on that
            layer = linear_layer(source_head(model, method).head)
        layer = layer.to(model.network.device)
        return layer.weight.detach(), layer.bias.detach()

    def answers(seen: Seen) -> Tensor:
        import torch

        with torch.no_grad():
            return torch.nn.functional.linear(model.network.through(seen.inputs, model.source), *teacher())

    return answers


def on_device(model: Model, name: str) -> Tensor:
    """What the model has laid aside as `name`, where its network is."""
    import torch

    return torch.from_numpy(model.aside[name]).to(model.network.device)
