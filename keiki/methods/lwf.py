"""Learning without forgetting: the classifier of the source task goes on answering as it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core.options import Linear, Log, option
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.limits import refuse_outside
from keiki.methods.toward_source import add_source_head, frozen_answers, moving_source_head
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import TuningConfig

if TYPE_CHECKING:
    from torch import Tensor

    from keiki.nn.network import Seen


@METHODS.add("lwf")
class Lwf(Tuning):
    """Fine-tuning with the source classifier h kept on the tuned features f, and held to its former answers.

    cross-entropy + strength * KL(softmax(h0(f0(x)) / T) || softmax(h(f(x)) / T)),  T the temperature

    f0 and h0 are the network and its classifier as they were pretrained, on the same input as f; h is trained along at
    the rate of the stage below it, and is not shipped. Source: Li and Hoiem 2016, "Learning without Forgetting",
    arXiv:1606.09282, equations 2 to 4; the strength 4 of the Transfer-Learning-Library, where the paper has 1.
    Deviations: the divergence in place of the cross-entropy between both answers, whose gradient is the same; the
    paper's warm-up of the new head is a probe in closed form; the answers are taken anew for every input, so that
    augmented inputs have their own; BatchNorm statistics stand still, as the paper's networks had none.
    """

    name = "lwf"
    paper = "arXiv:1606.09282"
    title = "learning without forgetting (LwF)"
    needs = frozenset({"source head"})

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        strength: float = option(4.0, "weight of the source classifier's answers in the loss", search=Log(0.1, 10.0))
        temperature: float = option(2.0, "what both answers are divided by; above 1 is softer", search=Linear(1.0, 5.0))

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "strength", 0)
            refuse_outside(self, "temperature", 0, above=True)

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return add_source_head(super().build(backbone, target, bank), self.name)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        from keiki.nn.distillation import distillation

        answers = frozen_answers(model, self.name)

        def penalty(seen: Seen) -> Tensor:
            ours = model.network.source_head(seen.features)
            kept: Tensor = self.config.strength * distillation(ours, answers(seen), self.config.temperature)
            return kept

        yield from start(model, view, self.config)
        yield moving_source_head(tune(model, view, self.config, penalty=penalty), model)
        yield validate(model, view, self.config)
