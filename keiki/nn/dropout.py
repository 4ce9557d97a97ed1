"""Dropout on a CPU from one random number for four places, alone and inside attention.

torch asks its generator anew for every place, which takes up to a fifth of a training step of a small text network. Of
64 random bits every 16 decide about one place: it is dropped where they are below p * 65536, so p is met to 1 / 131072,
and what is kept is divided by the share that is really kept. Sources: Srivastava et al. 2014, JMLR 15; of attention,
Vaswani et al. 2017, arXiv:1706.03762, equation 1 and section 5.4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEVELS = 1 << 16
FEWEST = 1024  # places, below which nothing is gained


def drop(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor | None:
    """As `torch.nn.functional.dropout`; None for what is not ours."""
    if inplace or not training or not _ours(p) or input.numel() < FEWEST or input.device.type != "cpu":
        return None
    return input * kept(input, p)


def _ours(p: float) -> bool:
    return p > 0 and round(p * LEVELS) < LEVELS


def kept(like: Tensor, p: float) -> Tensor:
    """0 where a place is dropped, with chance p; else 1 over the share that stays. In shape and type of `like`."""
    below = round(p * LEVELS)
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    stays = bits.view(torch.int16)[: like.numel()] >= below - LEVELS // 2
    return stays.view(like.shape).to(like.dtype).mul_(LEVELS / (LEVELS - below))


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """As `torch.nn.functional.scaled_dot_product_attention` where weights are dropped; None for what is not ours.

    query (..., L, E), key (..., S, E), value (..., S, V) -> (..., L, V). Scores and weights are single at least, as
    torch has them.
    """
    if not _ours(dropout_p) or is_causal or enable_gqa or query.device.type != "cpu":
        return None
    low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    high = torch.promote_types(low, torch.float32)
    query, key, value = (each.to(low).to(high) for each in (query, key, value))
    with torch.autocast("cpu", enabled=False):
        root = math.sqrt(1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        scores = (query * root) @ (key * root).transpose(-2, -1)
        if attn_mask is not None:
            added = _added(attn_mask, scores)
            if bool(added.isneginf().all(-1).any()):  # a query that sees nothing answers 0: torch's own way
                return None
            scores = scores + added
        weights = torch.softmax(scores, -1)
        return ((weights * kept(weights, dropout_p)) @ value).to(low)


def _added(mask: Tensor, scores: Tensor) -> Tensor:
    """What is added to scores: of a mask of yes and no, minus infinity where it says no."""
    if mask.dtype != torch.bool:
        return mask.to(scores.dtype)
    return torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, -math.inf)
