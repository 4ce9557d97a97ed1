"""A running mean of the weights, kept beside those that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


class Average:
    """m <- d_t m + (1 - d_t) w after every step, with d_t = min(decay, (1 + t) / (10 + t)) after t steps.

    Only floating-point tensors that may move are averaged; all others are taken as they are.
    Source: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the warm-up of the decay
    is that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, decay: float, tensors: Mapping[str, Tensor]) -> None:
        self.decay = decay
        self.steps = 0
        self.means = {name: tensor.detach().clone() for name, tensor in tensors.items() if tensor.is_floating_point()}

    def update(self, tensors: Mapping[str, Tensor]) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for name, mean in self.means.items():
                mean.lerp_(tensors[name].detach(), 1 - decay)

    @contextmanager
    def in_place_of(self, network: nn.Module) -> Iterator[None]:
        """Let the network have the means for as long as this lasts."""
        tensors = network.state_dict()
        trained = {name: tensors[name].clone() for name in self.means}
        _put(tensors, self.means)
        try:
            yield
        finally:
            _put(tensors, trained)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: mean.cpu().numpy() for name, mean in self.means.items()}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]], steps: int) -> None:
        self.steps = steps
        _put(self.means, {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


def _put(into: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in values.items():
            into[name].copy_(value)
