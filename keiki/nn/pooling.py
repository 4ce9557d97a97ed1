"""From what a network says of every token or place to one feature vector (B, D) an item."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def pool_tokens(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector (B, D) for states (B, T, D) of which the first `mask.sum(1)` are real (padding on the right).

    cls: first token; max: the largest of each dimension; mean: sum / n; mean_sqrt_len_tokens: sum / sqrt(n);
    weightedmean: token t weighs t + 1 (Muennighoff 2022, arXiv:2202.08904, section 3); lasttoken: the last real one.

    Source: Reimers and Gurevych 2019, "Sentence-BERT", arXiv:1908.10084, section 3.

    >>> pool_tokens(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]), "mean").item()
    2.0
    """
    real = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
    if pooling == "cls":
        return states[:, 0]
    if pooling == "max":
        return states.masked_fill(real == 0, float("-inf")).amax(dim=1)
    if pooling == "lasttoken":
        last = mask.sum(dim=1).clamp(min=1) - 1
        return states.gather(1, last.view(-1, 1, 1).expand(-1, 1, states.shape[-1])).squeeze(1)
    if pooling == "weightedmean":
        real = real * torch.arange(1, states.shape[1] + 1, device=states.device, dtype=states.dtype).view(1, -1, 1)
    count = real.sum(dim=1).clamp(min=1e-9)  # (B, 1); a text without a token gives zeros
    return (states * real).sum(dim=1) / (count.sqrt() if pooling == "mean_sqrt_len_tokens" else count)


@final
class ImageFeatures(nn.Module):
    """A network that answers pictures with vectors: image (B, 3, H, W) -> features (B, D)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.net(image)
        return features


@final
class TextFeatures(nn.Module):
    """An encoder, its poolings side by side, and unit length where wanted: tokens (B, T) -> features (B, D)."""

    def __init__(self, net: nn.Module, poolings: tuple[str, ...], normalise: bool) -> None:
        super().__init__()
        self.net = net
        self.poolings = poolings
        self.normalise = normalise

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        extra: dict[str, Any] = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        states = self.net(input_ids=input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        pooled = [pool_tokens(states, attention_mask, pooling) for pooling in self.poolings]
        features = torch.cat(pooled, dim=1)
        return nn.functional.normalize(features, dim=1) if self.normalise else features
