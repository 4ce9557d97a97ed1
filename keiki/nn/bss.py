"""The weakest directions of a batch of features."""

from __future__ import annotations

import torch
from torch import Tensor


def smallest_squares(features: Tensor, k: int) -> Tensor:
    """Sum of the k smallest squared singular values of features (B, D); all of them where there are fewer.

    They are the smallest eigenvalues of the smaller Gram matrix, taken in float64: sound where singular values repeat,
    which an SVD has no gradient for. Source: Chen et al. 2019, "Catastrophic Forgetting Meets Negative Transfer",
    NeurIPS, equation 5.

    >>> smallest_squares(torch.tensor([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), 1).item()
    4.0
    """
    wide = features.double()
    gram = wide @ wide.T if wide.shape[0] <= wide.shape[1] else wide.T @ wide
    smallest: Tensor = torch.linalg.eigvalsh(gram)[:k]
    return smallest.sum().to(features.dtype)
