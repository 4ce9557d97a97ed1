"""What stands on the body of a network: features of the body -> neck -> features (B, D) -> head -> logits (B, C).

    linear    no neck                     logits = W f + b
    cosine    f / |f|                     logits = scale cos(w_c, f), no bias
    mlp       ReLU(A f + a), H wide       logits = W f + b

The last step is always linear in what the neck gives, so everything behind the training (the bundle's graph, distances
to the training items) knows one kind of head only: `Head.effective`. A solved head on the body's features is carried
through the neck (`carry`) and then placed: exactly for linear and mlp, as nearly as cosines can for cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from keiki.core.errors import OptionError, TrainingError
from keiki.nn.linear import LinearHead
from keiki.nn.standardise import DenseFeatures

Kind = Literal["linear", "cosine", "mlp"]
FIRST_SCALE = 20.0  # of a cosine that learns it and has no probe to take it from
PACE = 10.0  # AdamW moves a number by about its rate a step; the logarithm of the scale needs ten times that


@dataclass(frozen=True)
class Shape:
    """How a head is built.

    hidden: width H of the hidden layer of an mlp. dropout: share of what the last layer sees that is left out in
    training. scale: of the cosine; None learns it.
    """

    kind: Kind = "linear"
    hidden: int = 256
    dropout: float = 0.0
    scale: float | None = None

    def build(self, width: int, n_classes: int) -> tuple[Neck, Head]:
        """Neck and head for features (B, width) of the body; every answer is the same to begin with."""
        if self.kind == "cosine":
            return Direction(), CosineHead(width, n_classes, self.dropout, self.scale)
        if self.kind == "mlp":
            return Hidden(width, self.hidden), Head(self.hidden, n_classes, self.dropout)
        return Neck(), Head(width, n_classes, self.dropout)


class Neck(nn.Module):
    """Between body and head; this one changes nothing."""

    changes = False

    def forward(self, features: Tensor) -> Tensor:
        return features

    def draw(self, seed: int) -> None:
        """Draw its weights, if it has any."""

    def carry(self, head: LinearHead, features: DenseFeatures | None) -> LinearHead:
        """The head behind the neck that answers like `head` before it; features (N, D) of the items to learn from."""
        return head


class Direction(Neck):
    """Features at length 1."""

    changes = True

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.normalize(features, dim=1)

    def carry(self, head: LinearHead, features: DenseFeatures | None) -> LinearHead:
        """Rows without a bias: b is left to the mean feature m, as b a m with E (a m f - 1)^2 least; then lengths.

        What all classes share is taken out first, since it changes no probability but every cosine. On Lite0 features
        of Fashion-MNIST and emoji this keeps the probe's accuracy, where rows without their bias lose 1 to 6 points.
        """
        if features is None:
            raise TrainingError("A cosine head starts from a probe by the features that the probe was solved on.")
        wide = np.asarray(features, dtype=np.float64)
        mean = wide.mean(axis=0)
        along = wide @ mean
        one = mean * along.mean() / max(float(np.mean(along**2)), np.finfo(np.float64).tiny)  # one @ f is about 1
        weight = head.weight - head.weight.mean(axis=0) + np.outer(head.bias - head.bias.mean(), one)
        length = float(np.linalg.norm(wide, axis=1).mean())
        return LinearHead(length * weight, np.zeros(len(weight)))


class Hidden(Neck):
    """ReLU(A f + a): a hidden layer. Its weights are drawn as torch draws those of a linear layer."""

    changes = True

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(hidden, width))
        self.bias = nn.Parameter(torch.empty(hidden))
        self.draw(0)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(nn.functional.linear(features, self.weight, self.bias))

    def draw(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        bound = 1 / math.sqrt(self.weight.shape[1])
        with torch.no_grad():
            for parameter in (self.weight, self.bias):
                values = torch.rand(parameter.shape, generator=generator)
                parameter.copy_(bound * (2 * values - 1))

    def carry(self, head: LinearHead, features: DenseFeatures | None) -> LinearHead:
        """Two units a class hold the positive and the negative part of its score: s = ReLU(s) - ReLU(-s).

        So the network starts as the solved head, exactly; the other units keep their drawn weights and count for
        nothing at first. Source of the idea: Chen et al. 2016, Net2Net, arXiv:1511.05641 (function-preserving start).
        Raises OptionError where there are too few units.
        """
        n = len(head.bias)
        units = len(self.bias)
        if units < 2 * n:
            raise OptionError(
                f"An mlp head of {units} hidden units cannot start from a probe of {n} classes: it takes two a class.",
                hint=f"Use --set hidden={2 * n} or more, or --set start=zeros",
            )
        with torch.no_grad():
            self.weight[: 2 * n] = torch.from_numpy(np.concatenate([head.weight, -head.weight]))
            self.bias[: 2 * n] = torch.from_numpy(np.concatenate([head.bias, -head.bias]))
        return LinearHead(np.hstack([np.eye(n), -np.eye(n), np.zeros((n, units - 2 * n))]), np.zeros(n))


class Head(nn.Linear):
    """Features (B, D) -> logits (B, C) = W dropout(f) + b; zeros to begin with."""

    def __init__(self, width: int, n_classes: int, dropout: float = 0.0, *, bias: bool = True) -> None:
        nn.Module.__init__(self)  # Linear's own would draw weights from the global random stream
        self.in_features, self.out_features, self.dropout = width, n_classes, dropout
        self.weight = nn.Parameter(torch.zeros(n_classes, width))
        self.register_parameter("bias", nn.Parameter(torch.zeros(n_classes)) if bias else None)

    def forward(self, features: Tensor) -> Tensor:
        kept = nn.functional.dropout(features, self.dropout, self.training)
        return nn.functional.linear(kept, *self.effective())

    def effective(self) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) that give the logits."""
        return self.weight, self.bias

    def place(self, head: LinearHead) -> None:
        """Start from a solved head; raises TrainingError where it is of another shape."""
        _same_shape(self, head)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(head.weight))
            self.bias.copy_(torch.from_numpy(head.bias))


class CosineHead(Head):
    """logits_c = scale cos(w_c, f) for features f of length 1: neither lengths nor a bias favour a class.

    scale None: scale = first exp(10 t) with a learned number t, and first 20, or what a placed head brings along. All
    classes begin in one direction, so that all answers are equal, as those of a linear head of zeros are.
    Source: Gidaris and Komodakis 2018, arXiv:1804.09367, section 3.2 (a learned scale, 10 at first); Chen et al. 2019,
    arXiv:1904.04232, section 3.2 (Baseline++). Deviation: the logarithm of the scale is learned, which keeps it above 0
    and, times 10, lets it move in the few steps that fine-tuning takes; 20 was better than 10 in docs/log.md.
    """

    first: Tensor
    log_scale: nn.Parameter | None

    def __init__(self, width: int, n_classes: int, dropout: float = 0.0, scale: float | None = None) -> None:
        super().__init__(width, n_classes, dropout, bias=False)
        nn.init.constant_(self.weight, 1 / math.sqrt(width))
        self.register_buffer("first", torch.tensor(FIRST_SCALE if scale is None else float(scale)))
        self.register_parameter("log_scale", nn.Parameter(torch.tensor(0.0)) if scale is None else None)

    @property
    def scale(self) -> Tensor:
        return self.first if self.log_scale is None else self.first * torch.exp(PACE * self.log_scale)

    def effective(self) -> tuple[Tensor, Tensor]:
        weight = self.scale * nn.functional.normalize(self.weight, dim=1)
        return weight, weight.new_zeros(len(weight))

    def place(self, head: LinearHead) -> None:
        """Take the directions of the rows, and their mean length as the scale where it is learned; a bias is lost."""
        _same_shape(self, head)
        lengths = np.linalg.norm(head.weight, axis=1)
        if not lengths.all():
            raise TrainingError("A cosine head cannot start from a head with a row of zeros, which has no direction.")
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(head.weight / lengths[:, None]))
            if self.log_scale is not None:
                self.first.fill_(float(lengths.mean()))
                self.log_scale.zero_()


def _same_shape(head: Head, solved: LinearHead) -> None:
    if solved.weight.shape != head.weight.shape:
        raise TrainingError(f"A head of shape {solved.weight.shape} does not fit one of {tuple(head.weight.shape)}.")
