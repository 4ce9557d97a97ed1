"""A scale on every output of a layer, and a shift: FiLM, SSF."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from keiki.nn.weight_changes import Layer, WeightChange


class Scale(WeightChange):
    """Every output channel of a weight (C, ...) times gamma (C,), which starts at 1.

    Kept is gamma - 1, so that weight decay pulls toward the pretrained weight and not toward zero.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(len(weight), device=weight.device, dtype=weight.dtype))

    def forward(self, original: Tensor) -> Tensor:
        return original * (1 + self.change).view(-1, *[1] * (original.dim() - 1))


class Shift(WeightChange):
    """A bias (C,) plus a shift (C,), which starts at 0."""

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros_like(bias))

    def forward(self, original: Tensor) -> Tensor:
        return original + self.change


def scale_and_shift(layer: Layer) -> None:
    """Put a scale on the layer's weight and, where it has a bias, a shift on that."""
    layer.change(layer.weight, Scale(layer.tensor))
    if layer.bias:
        layer.change(layer.bias, Shift(getattr(layer.module, layer.bias)))
