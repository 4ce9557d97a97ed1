"""Losses of single items, so that a batch may be computed in pieces: logits (B, C) and labels (B,) to losses (B,).

With z = logits + shift and p = softmax(z), the loss of an item of class y is

    sum_c weight_c q_c (-log p_c),  q_c = (1 - smoothing) [c = y] + smoothing / C        label smoothing
    weight_y * (1 - p_y)^gamma (-log p_y)                                         focal

Sources: label smoothing, Szegedy et al. 2016, arXiv:1512.00567, section 7; focal, Lin et al. 2017, arXiv:1708.02002,
eq. 4 and 5; shift = tau log(prior) is the logit-adjusted loss of Menon et al. 2021, arXiv:2007.07314, eq. 10: it is
there in training only, the plain logits answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from keiki.nn.softmax import FloatArray

LEAST_DOUBT = 1e-12  # 1 - p: below, its power has no gradient that a float could hold

PerItem = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class ItemLoss:
    """The loss of each item; weights and shift are (C,) or None. Focal and label smoothing do not go together."""

    smoothing: float = 0.0
    gamma: float = 0.0
    weights: FloatArray | None = None
    shift: FloatArray | None = None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        wide = logits if logits.dtype == torch.float64 else logits.float()
        scores = (
            wide if self.shift is None else wide + torch.as_tensor(self.shift, dtype=wide.dtype, device=wide.device)
        )
        weights = None if self.weights is None else torch.as_tensor(self.weights, dtype=wide.dtype, device=wide.device)
        if self.gamma:
            each = focal(scores, labels, self.gamma)
            return each if weights is None else weights[labels] * each
        return nn.functional.cross_entropy(
            scores, labels, weight=weights, label_smoothing=self.smoothing, reduction="none"
        )


def focal(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma (-log p) of the item's class: what is right already counts for little.

    >>> focal(torch.zeros(1, 2), torch.tensor([0]), 2.0).item() == 0.25 * -torch.tensor(0.5).log().item()
    True
    """
    log_p = nn.functional.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)
    doubt = (-torch.expm1(log_p)).clamp_min(LEAST_DOUBT)
    return -(doubt**gamma) * log_p


def mixed(loss: PerItem, logits: Tensor, labels: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """The losses (B,) of items that were mixed: share * l(own label) + (1 - share) * l(other label).

    Source: Zhang et al. 2018, mixup, arXiv:1710.09412: cross-entropy is linear in the target, so mixing losses is
    mixing targets.
    """
    return shares * loss(logits, labels) + (1 - shares) * loss(logits, others)
