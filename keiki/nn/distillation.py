"""Learning from the answers of another classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from keiki.nn.linear import LinearHead


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean divergence KL(teacher || student) in nats of logits (B, C), both divided by the temperature.

    It differs from the cross-entropy of Hinton et al. 2015, arXiv:1503.02531, section 2, by the teacher's entropy
    alone, which has no gradient; and it is 0 where both agree.

    >>> distillation(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0]]), 2.0).item()
    0.0
    """
    ours = nn.functional.log_softmax(student.float() / temperature, dim=1)
    theirs = nn.functional.log_softmax(teacher.float() / temperature, dim=1)
    return nn.functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Mean over items of  - sum_z shares_z log softmax(logits)_z;  both (B, C), rows of shares sum to 1.

    >>> round(soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.25, 0.75]])).item(), 4)
    0.6931
    """
    return nn.functional.cross_entropy(logits.float(), shares.float())


def linear_layer(head: LinearHead) -> nn.Linear:
    """A solved or pretrained head as a layer that can learn, in float32."""
    layer = nn.Linear(head.weight.shape[1], head.weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        layer.bias.copy_(torch.from_numpy(head.bias))
    return layer
