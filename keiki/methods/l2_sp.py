"""L2-SP: the starting point, not zero, is where weights are pulled to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.toward_source import PullConfig
from keiki.methods.tuning import Penalty, Tuning, start, tune, validate

if TYPE_CHECKING:
    from torch import Tensor

    from keiki.nn.network import Seen


@METHODS.add("l2-sp")
class L2Sp(Tuning):
    """Fine-tuning with a penalty on the distance from the pretrained weights w0, in place of weight decay.

    cross-entropy + alpha / 2 |w - w0|^2 + beta / 2 |w_head|^2

    w are those weights of the body that move; statistics of BatchNorms are none. Source: Li et al. 2018, "Explicit
    Inductive Bias for Transfer Learning with Convolutional Networks", arXiv:1802.01483, equation 3. Deviations: AdamW,
    through whose scaling the pull goes like any gradient, where the paper has SGD; the head starts from a probe.
    """

    name = "l2-sp"
    paper = "arXiv:1802.01483"
    title = "fine-tuning pulled toward the starting point (L2-SP)"
    Config = PullConfig

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield tune(model, view, self.config, penalty=pull(model, self.config))
        yield validate(model, view, self.config)


def pull(model: Model, config: PullConfig) -> Penalty:
    """The penalty on body and head, whatever the batch."""
    from keiki.nn.l2_sp import squared_distance, squared_size

    def penalty(_: Seen) -> Tensor:
        distance = squared_distance(model.network.body, model.source)
        return config.alpha / 2 * distance + config.beta / 2 * squared_size(model.network.head_parameters())

    return penalty
