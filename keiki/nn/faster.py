"""Some of what a network computes in training, computed faster; which, is said by the modules that stand in `WAYS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from keiki.nn.depthwise import convolve, is_depthwise
from keiki.nn.dropout import attend, drop

# torch's function -> ours with the same arguments, which gives None for what it leaves to torch.
WAYS: Mapping[Any, Callable[..., Tensor | None]] = {
    torch.conv2d: convolve,
    functional.dropout: drop,
    functional.scaled_dot_product_attention: attend,
}


def faster(network: nn.Module) -> AbstractContextManager[Any]:
    """For as long as this lasts, what `network` computes with gradients is computed by our ways; on a CPU alone."""
    here = all(parameter.device.type == "cpu" for parameter in network.parameters())
    gains = here and any(is_depthwise(module) or _drops(module) for module in network.modules())
    return _Faster() if gains else nullcontext()


def _drops(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout) and module.training and module.p > 0


class _Faster(TorchFunctionMode):
    """Hands calls of torch's functions to our ways; all else is as it was."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        ours = WAYS.get(func) if torch.is_grad_enabled() else None
        found = None if ours is None else ours(*args, **named)
        return func(*args, **named) if found is None else found
