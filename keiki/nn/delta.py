"""Distance between the maps of two networks, channel by channel, and which channels matter for the task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from keiki.nn.maps import positions_and_channels, recorded, refuse_missing

DRAWS = 4  # labels an item for the curvature
FLATNESS = 5.0  # z-scores are divided by it before the softmax, as in the paper's code

Labelled = tuple[dict[str, Tensor], Tensor]  # named inputs, labels (B,)


def map_distance(ours: Tensor, theirs: Tensor, attention: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    """Mean over items of  C sum_c a_c mean_p (ours - theirs)^2, p the positions that are real.

    attention (C,) sums to 1; None is 1/C everywhere, and what is left is the squared distance summed over channels.
    Source: Li et al. 2019, arXiv:1901.09229, equation 6, there without the mean over items.

    >>> map_distance(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)).item()
    3.0
    """
    mine, share = positions_and_channels(ours, mask)
    other, _ = positions_and_channels(theirs, mask)
    channels = ((mine - other).square() * share.unsqueeze(-1)).sum(dim=1)  # (B, C)
    weights = channels.new_ones(channels.shape[1]) if attention is None else channels.shape[1] * attention
    return (channels * weights).sum(dim=1).mean()


def attention(rises: Tensor) -> Tensor:
    """Attention (C,) that sums to 1 from how much the loss rises without each channel: softmax(z-score / 5).

    Equal rises give equal attention.

    >>> attention(torch.tensor([0.0, 1.0, 1.0, 2.0])).round(decimals=3).tolist()
    [0.185, 0.245, 0.245, 0.325]
    """
    centred = rises.double() - rises.double().mean()
    spread = centred.square().mean().sqrt()
    return torch.softmax(centred / spread / FLATNESS if spread > 0 else centred, dim=0)


def rises_without(
    body: nn.Module,
    head: Callable[[Tensor], Tensor],
    modules: Mapping[str, str],
    batches: Iterable[Labelled],
    draws: int = DRAWS,
) -> dict[str, Tensor]:
    """By how much the mean cross-entropy would rise without each channel of each map, about: (C,) by name.

    With s_c(y) = sum_p a_c d(-log p_y)/da_c of an item, its rise is about  -s_c(label) + mean_y s_c(y)^2 / 2,  y drawn
    from the network's own answers: the second order of Taylor's series with the Gauss-Newton matrix. A few passes back
    give it for all channels of all maps, where zeroing them one by one costs as many passes as there are channels. Rank
    correlation with zeroing, and that of the first order alone: Lite0 0.92 (-0.01) at an early stage, 0.61 (0.54) at a
    middle one, 0.99 (1.00) at the last; MiniLM 0.92 to 0.97 (0.84 to 0.96). Source of the squares: Theis et al. 2018,
    arXiv:1801.05787, section 2.1.
    `body` is frozen and in eval mode.
    """
    totals: dict[str, Tensor] = {}
    n_items = 0
    for inputs, labels in batches:
        maps: dict[str, Tensor] = {}
        with torch.enable_grad(), recorded(body, modules, maps, leaves=True):
            logits = head(body(**inputs))
        refuse_missing(maps, modules)
        slopes = _slopes(logits, labels, maps)
        squares = [_slopes(logits, drawn, maps) for drawn in _drawn(logits, draws, n_items)]
        for name, slope in slopes.items():
            bend = sum(each[name].square() for each in squares) / max(1, draws) / 2
            totals[name] = totals.get(name, 0.0) + (bend - slope).sum(dim=0)
        n_items += len(labels)
    return {name: total / n_items for name, total in totals.items()}


def _slopes(logits: Tensor, labels: Tensor, maps: dict[str, Tensor]) -> dict[str, Tensor]:
    """s_c of each item (B, C) for each map, in float64."""
    loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
    gradients = torch.autograd.grad(loss, list(maps.values()), retain_graph=True)
    return {
        name: positions_and_channels(found.detach() * gradient)[0].double().sum(dim=1)
        for (name, found), gradient in zip(maps.items(), gradients, strict=True)
    }


def _drawn(logits: Tensor, draws: int, seed: int) -> list[Tensor]:
    """Labels (B,) drawn from the answers, on the CPU so that every device draws the same."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.softmax(logits.detach().double().cpu(), dim=1)
    return [torch.multinomial(shares, 1, generator=generator)[:, 0].to(logits.device) for _ in range(draws)]
