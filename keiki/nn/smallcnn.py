"""A small convolutional network: what a few seconds of training from scratch can reach."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallCnnBody(nn.Module):
    """image (B, 3, 24, 24) -> features (B, width): three blocks of convolution, BatchNorm, ReLU, pooling by two."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.block0 = _block(3, width // 4)
        self.block1 = _block(width // 4, width // 2)
        self.block2 = _block(width // 2, width)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.block2(self.block1(self.block0(image)))  # (B, 3, 24, 24) -> (B, width, 3, 3)
        return torch.mean(maps, dim=(2, 3))


def _block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(2)
    )
