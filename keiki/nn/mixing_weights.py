"""Weights between two points."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from keiki.nn.linear import LinearHead


def tensors_of(body: nn.Module, head: LinearHead | None) -> dict[str, Tensor]:
    """The state of a network of `body` and `head`, by the names it would have; without a head only the body's."""
    out = {f"body.{name}": tensor for name, tensor in body.state_dict().items()}
    if head is not None:
        out |= {"head.weight": torch.from_numpy(head.weight), "head.bias": torch.from_numpy(head.bias)}
    return out


def interpolate(network: nn.Module, first: Mapping[str, Tensor], last: Mapping[str, Tensor], share: float) -> None:
    """Give the network (1 - share) * first + share * last; whole numbers, and what `first` lacks, are those of `last`.

    BatchNorm statistics are mixed like weights: both ends are theirs at both ends.
    """
    state = network.state_dict()
    with torch.no_grad():
        for name, tensor in last.items():
            mixed = tensor.is_floating_point() and name in first
            state[name].copy_(torch.lerp(first[name].to(tensor), tensor, share) if mixed else tensor)
