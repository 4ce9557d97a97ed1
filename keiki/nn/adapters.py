"""Small bottlenecks between the blocks of a network: adapters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from keiki.core.random import Randomness

NAME = "keiki_adapter"  # no network calls a part of its own so


class Adapter(nn.Module):
    """h -> h + up(gelu(down(h))), with `width` numbers in the middle, a place or token at a time.

    `axis` holds the channels: 1 for maps (B, C, H, W), -1 for tokens (B, T, C), maps (B, H, W, C) and vectors (B, C).
    `up` starts at zero, so nothing changes at first; `down` as a linear layer does.

    Source: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", arXiv:1902.00751, section 2.1.
    """

    def __init__(self, channels: int, width: int, axis: int, name: str) -> None:
        super().__init__()
        self.down = _layer(channels, width, axis)
        self.up = _layer(width, channels, axis)
        generator = torch.Generator().manual_seed(Randomness().number("adapter", name))
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5), generator=generator)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = states + self.up(nn.functional.gelu(self.down(states)))
        return out


def insert_adapters(body: nn.Module, places: Iterable[str], example: Mapping[str, Any], reduction: int) -> list[str]:
    """Let what the named modules of `body` give go through adapters; returns the names where that was possible.

    Of a tuple the first element is taken. Channels and layout are read from what the modules answer to `example`, named
    arrays; a map whose three axes are equal counts as the other maps of the network do, else as (B, C, H, W). width:
    channels / reduction, rounded up. Not possible is it where a module is never called or gives no tensor. An adapter
    becomes a submodule of the module behind which it stands, so no name changes.
    """
    ends = {name: _end(body.get_submodule(name)) for name in places}
    shapes = _shapes(body, set(ends.values()), example)
    last = any(len(shape) == 4 and shape[1] == shape[2] != shape[3] for shape in shapes.values())
    placed = [name for name, end in ends.items() if end in shapes]
    for name in placed:
        end = ends[name]
        axis = _axis(shapes[end], last)
        channels = shapes[end][axis]
        like = next(body.parameters())
        adapter = Adapter(channels, math.ceil(channels / reduction), axis, name).to(like.device, like.dtype)
        end.add_module(NAME, adapter.train(end.training))
        end.register_forward_hook(_through)
    return placed


def _layer(n_in: int, n_out: int, axis: int) -> Any:
    """A linear map over `axis`, not filled in yet: filling would draw from the global generator."""
    skip_init: Any = nn.utils.skip_init
    return skip_init(nn.Linear, n_in, n_out) if axis == -1 else skip_init(nn.Conv2d, n_in, n_out, 1)


def _end(module: nn.Module) -> nn.Module:
    """The module whose answer is that of `module`: a Sequential would call an adapter inside it as one more part."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    return module


def _shapes(body: nn.Module, wanted: set[nn.Module], example: Mapping[str, Any]) -> dict[nn.Module, tuple[int, ...]]:
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        states = _states(output)
        if isinstance(states, Tensor) and states.is_floating_point() and states.dim() > 1:
            shapes[module] = tuple(states.shape)

    hooks = [module.register_forward_hook(note) for module in wanted]
    try:
        with torch.no_grad():
            body(**{name: torch.from_numpy(array) for name, array in example.items()})
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


def _axis(shape: tuple[int, ...], last: bool) -> int:
    if len(shape) != 4:
        return -1
    _, first, height, width = shape
    return -1 if first == height and (height != width or last) else 1


def _states(output: Any) -> Any:
    return output[0] if type(output) is tuple and output else output


def _through(module: nn.Module, _: Any, output: Any) -> Any:
    """A forward hook; it finds the adapter by name, so that it belongs to a copy of the module too."""
    adapter = getattr(module, NAME)
    return (adapter(output[0]), *output[1:]) if type(output) is tuple else adapter(output)
