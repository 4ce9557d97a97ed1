"""The torch side of the tiny backbones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 16  # D of both


class TinyConvolutions(nn.Module):
    """image (B, 3, 32, 32) -> (B, 16)."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(_Block(8, WIDTH), _Block(WIDTH, WIDTH))
        _fill(self, seed)

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.blocks(self.stem(image)).mean(dim=(2, 3))
        return out


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, stride=2)
        self.norm = nn.BatchNorm2d(n_out)
        self.drop = nn.Dropout(0.1)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.drop(torch.relu(self.norm(self.conv(maps))))
        return out


class TinyWords(nn.Module):
    """input_ids, attention_mask (B, T) -> (B, 16)."""

    def __init__(self, n_words: int, seed: int) -> None:
        super().__init__()
        self.words = nn.Embedding(n_words, WIDTH)
        self.drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList([_Mixer(), _Mixer()])
        _fill(self, seed)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.drop(self.words(input_ids))
        for block in self.blocks:
            states = block(states)
        mask = attention_mask.unsqueeze(-1).to(torch.float32)
        out: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return out


class _Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = states + self.drop(torch.tanh(self.mix(self.norm(states))))
        return out


def _fill(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                fan_in = parameter[0].numel()
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5)
            elif name.endswith("bias"):
                parameter.zero_()
