"""Some of what a network computes in training, computed faster; which, is said by the modules that stand in `WAYS`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from keiki.nn.depthwise import convolve, is_depthwise
from keiki.nn.dropout import attend, drop
from keiki.nn.still_norm import StillNorms, is_still

# torch's function -> ours with the same arguments, which gives None for what it leaves to torch.
WAYS: Mapping[Any, Callable[..., Tensor | None]] = {
    torch.conv2d: convolve,
    functional.dropout: drop,
    functional.scaled_dot_product_attention: attend,
}
NEAR = 1e-2  # by how much gradients may differ, as a share of their length; what rounding does is a thousandth of it


def faster(network: nn.Module, *, fold: bool = True) -> AbstractContextManager[Any]:
    """For as long as this lasts, what `network` computes with gradients is computed by our ways; on a CPU alone.

    fold: whether still BatchNorms become a part of the convolutions before them: see `may_fold`.
    """
    if not _on_cpu(network):
        return nullcontext()
    fold = fold and _has_still_norms(network)
    gains = fold or any(is_depthwise(module) or _drops(module) for module in network.modules())
    return _Faster(fold) if gains else nullcontext()


def _on_cpu(network: nn.Module) -> bool:
    return all(parameter.device.type == "cpu" for parameter in network.parameters())


def _has_still_norms(network: nn.Module) -> bool:
    return any(is_still(module) for module in network.modules())


def _drops(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout) and module.training and module.p > 0


def may_fold(network: nn.Module, loss: Callable[[], Tensor]) -> bool:
    """Whether there are norms to fold, and `loss` of the network in eval mode has the same gradients with them folded.

    It has, unless a map goes where no function of torch is called with it (an autograd function of the network's own).
    """
    if not _on_cpu(network) or not _has_still_norms(network):
        return False
    try:
        with _Faster(fold=True):
            found = _gradients(network, loss)
    except RuntimeError:  # something took what stood for a map and could not work with it
        return False
    expected = _gradients(network, loss)
    away = sum(float((one - other).square().sum()) for one, other in zip(found, expected, strict=True))
    return math.sqrt(away) <= NEAR * math.sqrt(sum(float(each.square().sum()) for each in expected))


def _gradients(network: nn.Module, loss: Callable[[], Tensor]) -> list[Tensor]:
    moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
    found = torch.autograd.grad(loss(), moving, allow_unused=True, materialize_grads=True)
    return [gradient.double() for gradient in found]


class _Faster(TorchFunctionMode):
    """Hands calls of torch's functions to our ways; all else is as it was."""

    def __init__(self, fold: bool) -> None:
        super().__init__()
        self._norms = StillNorms(_convolution) if fold else None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if self._norms is not None:
            if func is functional.batch_norm and (normed := self._norms.batch_norm(*args, **named)) is not None:
                return normed
            args, named = self._norms.settled(func, args, named)
            if func is torch.conv2d and torch.is_grad_enabled():
                return self._norms.conv2d(*args, **named)
        ours = WAYS.get(func) if torch.is_grad_enabled() else None
        found = None if ours is None else ours(*args, **named)
        return func(*args, **named) if found is None else found


def _convolution(input: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    found = convolve(input, weight, *rest)
    return torch.conv2d(input, weight, *rest) if found is None else found
