"""A weight plus a product of two thin matrices: LoRA."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from keiki.core.random import Randomness
from keiki.nn.weight_changes import Layer, WeightChange


class LowRank(WeightChange):
    """W0 -> W0 + alpha / rank * B A, with A (rank, columns) and B (rows, rank).

    B starts at zero, so nothing changes at first; A is drawn as a linear layer's weights are, uniformly within
    +-1 / sqrt(columns). A convolution's kernel (out, in, *places) counts as a matrix of `out` rows. Each group of a
    grouped convolution is a convolution of its own and gets an A and a B of its own, kept one below the other:
    A (groups * rank, columns), B (out, rank).

    Source: Hu et al. 2021, "LoRA", arXiv:2106.09685, section 4.1.
    """

    def __init__(self, layer: Layer, rank: int, alpha: float) -> None:
        super().__init__()
        like = layer.tensor
        self.rank, self.groups, self.scaling = rank, layer.groups, alpha / rank
        a = torch.empty(layer.groups * rank, layer.matrix[1])
        generator = torch.Generator().manual_seed(Randomness().number("low rank", layer.name))
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        self.A = nn.Parameter(a.to(like.device, like.dtype))
        self.B = nn.Parameter(torch.zeros(len(like), rank, device=like.device, dtype=like.dtype))

    def forward(self, original: Tensor) -> Tensor:
        a = self.A.view(self.groups, self.rank, -1)
        b = self.B.view(self.groups, -1, self.rank)
        return original + self.scaling * (b @ a).view(original.shape)


def fits(layer: Layer, rank: int) -> bool:
    """Whether A and B hold no more numbers than the weight that they change.

    >>> weight = lambda rows, columns: Layer("fc", nn.Linear(columns, rows), "weight", "bias", 1, False)
    >>> fits(weight(16, 16), 8), fits(weight(16, 15), 8)
    (True, False)
    """
    rows, columns = layer.matrix
    return rank * (rows + columns) <= rows * columns
