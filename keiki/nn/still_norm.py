"""A BatchNorm whose statistics stand still, folded into the convolution before it: a pass over the maps less each way.

With still mean m and variance v, norm(conv(x; W, b)) = conv(x; s W, s (b - m) + beta), where s = gamma / sqrt(v + eps).
The right side is derived by torch, so the gradients of W, b, gamma and beta are those of the left one to rounding, but
the map between the two is neither kept nor walked through. Source of the identity: Jacob et al. 2018, arXiv:1712.05877,
section 3.2, equation 14.

Whether a norm follows is known only when it is called. So a convolution through which a gradient runs is put off: what
it answers meanwhile stands for the map, has its shape, and holds no numbers (nan); the next call that takes it either
is the norm, or gets the map as torch computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from keiki.nn.depthwise import Pair, pair

Size = int | Pair
# What may be asked of a map that is not computed yet.
OUTER = {Tensor.dim, Tensor.size, *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device"))}


def is_still(module: nn.Module) -> bool:
    """Whether a module is a BatchNorm of maps that goes by the statistics it has."""
    return isinstance(module, nn.BatchNorm2d) and not module.training and module.running_mean is not None


@dataclass
class _Put:
    """A convolution that is put off, and what stands for its map (B, C, H, W) until then."""

    stand_in: Tensor  # kept alive, because it is known by its id
    convolve: Callable[..., Tensor]
    x: Tensor
    weight: Tensor
    bias: Tensor | None
    geometry: tuple[Any, ...]  # stride, padding, dilation, groups
    found: Tensor | None = None

    def plain(self) -> Tensor:
        """The map itself, computed once."""
        if self.found is None:
            with torch.enable_grad():
                self.found = self.convolve(self.x, self.weight, self.bias, *self.geometry)
        return self.found

    def normed(self, scale: Tensor, shift: Tensor) -> Tensor:
        """scale * map + shift, both (C,)."""
        lifted = shift if self.bias is None else shift + scale * self.bias
        return self.convolve(self.x, self.weight * scale[:, None, None, None], lifted, *self.geometry)


class StillNorms:
    """The convolutions of a forward pass that wait for what follows them."""

    def __init__(self, convolve: Callable[..., Tensor]) -> None:
        self._convolve = convolve
        self._waiting: dict[int, _Put] = {}

    def conv2d(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> Tensor:
        """As `torch.conv2d`; what it gives may be a stand-in."""
        moves = input.requires_grad or weight.requires_grad
        if input.dim() != 4 or isinstance(padding, str) or not moves:
            return self._convolve(input, weight, bias, stride, padding, dilation, groups)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype
        nothing = torch.full((), torch.nan, dtype=dtype)
        stand_in = nothing.expand(len(input), len(weight), *_size(input, weight, stride, padding, dilation))
        self._waiting[id(stand_in)] = _Put(
            stand_in, self._convolve, input, weight, bias, (stride, padding, dilation, groups)
        )
        return stand_in

    def batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor | None:
        """As `torch.nn.functional.batch_norm`, where it stands still behind a convolution; else None."""
        put = self._waiting.get(id(input))
        if put is None or training or running_mean is None or running_var is None:
            return None
        if weight is not None and weight.requires_grad and not put.weight.requires_grad:
            return None  # its gradient would ask for that of the convolution's weights, which nobody else wants
        scale = torch.rsqrt(running_var + eps)
        scale = scale if weight is None else scale * weight
        shift = -running_mean * scale
        return put.normed(scale, shift if bias is None else shift + bias)

    def settled(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The arguments of `func`, with the maps themselves where it asks for more than their outer shape."""
        if not self._waiting or func in OUTER:
            return args, dict(kwargs)
        return tuple(map(self._settle, args)), {name: self._settle(value) for name, value in kwargs.items()}

    def _settle(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return type(value)(map(self._settle, value))
        put = self._waiting.get(id(value))
        return value if put is None else put.plain()


def _size(x: Tensor, weight: Tensor, stride: Size, padding: Size, dilation: Size) -> list[int]:
    """Height and width of the map."""
    sides = zip(x.shape[2:], weight.shape[2:], *map(pair, (stride, padding, dilation)), strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides]
