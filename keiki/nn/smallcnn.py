"""A small convolutional network: what a few seconds of training from scratch can reach."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallCnnBody(nn.Module):
    """image (B, 3, 24, 24) -> features (B, width): three blocks of convolution, BatchNorm, ReLU, pooling by two.

    The initial weights follow from `seed` alone.
    """

    def __init__(self, width: int = 64, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.block0 = _block(3, width // 4)
            self.block1 = _block(width // 4, width // 2)
            self.block2 = _block(width // 2, width)
        # half the time of a step on a CPU; the stubs of torch do not know this form of `to`
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Tensor:
        image = image.contiguous(memory_format=torch.channels_last)
        maps = self.block2(self.block1(self.block0(image)))  # (B, 3, 24, 24) -> (B, width, 3, 3)
        return torch.mean(maps, dim=(2, 3))


def _block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(2)
    )
