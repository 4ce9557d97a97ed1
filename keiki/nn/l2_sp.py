"""How far weights have moved from where they started, and how large they are: sums of squares."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def squared_distance(body: nn.Module, source: nn.Module) -> Tensor:
    """|w - w0|^2 over those weights of `body` that move (that want gradients); `source` is a copy that never moves.

    Statistics of BatchNorms are buffers, not weights, and do not count.
    Source: Li et al. 2018, arXiv:1802.01483, equation 3.

    >>> body, source = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> source.load_state_dict(body.state_dict())
    <All keys matched successfully>
    >>> _ = body.weight.data.add_(3.0)
    >>> round(squared_distance(body, source).item(), 4)
    9.0
    """
    start = dict(source.named_parameters())
    moving = [(p, start[name]) for name, p in body.named_parameters() if p.requires_grad]
    return _total(nn.functional.mse_loss(p, p0.detach(), reduction="sum") for p, p0 in moving)


def squared_size(parameters: Iterable[nn.Parameter]) -> Tensor:
    """|w|^2 over all of the parameters."""
    return _total(p.square().sum() for p in parameters)


def _total(terms: Iterable[Tensor]) -> Tensor:
    terms = list(terms)
    return torch.stack(terms).sum() if terms else torch.zeros(())
