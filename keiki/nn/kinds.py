"""What kind of layer a module is, whatever family its network is of."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises: one of torch's layers, or a layer called a norm whose own weights are vectors.

    >>> is_norm(nn.LayerNorm(3)), is_norm(nn.Linear(3, 3))
    (True, False)
    """
    if isinstance(module, NORMS):
        return True
    own = [parameter for _, parameter in module.named_parameters(recurse=False)]
    return bool(own) and "norm" in type(module).__name__.lower() and all(p.dim() <= 1 for p in own)
