"""Weights that are made of a frozen original and a small trained change, until both are merged into one.

A change stands on a weight as a torch parametrization, so every layer that reads the weight sees the changed one,
whatever family of network it belongs to. Names in the state while it stands there, and after merging:

    fc.parametrizations.weight.original, fc.parametrizations.weight.0.*   ->   fc.weight
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

from keiki.nn.kinds import is_norm

# What a layer calls its weight, and the bias that is added to what this weight gives.
_PAIRS = (
    ("weight", "bias"),
    ("in_proj_weight", "in_proj_bias"),  # nn.MultiheadAttention: query, key and value in one matrix
    ("q_proj_weight", ""),  # nn.MultiheadAttention with keys of another width
    ("k_proj_weight", ""),
    ("v_proj_weight", ""),
)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MATRICES = (nn.Linear, *_CONVOLUTIONS, nn.MultiheadAttention)


class WeightChange(nn.Module):
    """Parent of the changes: a parametrization from the original to the effective weight, the identity at first."""


@dataclass(frozen=True)
class Layer:
    """A weight of the network, and its bias: attributes `weight` and `bias` of `module` ("" where there is no bias).

    name: of the module, with the attribute where that is not just 'weight'. groups: a convolution's; 1 elsewhere.
    """

    name: str
    module: nn.Module
    weight: str
    bias: str
    groups: int
    is_norm: bool

    @property
    def tensor(self) -> Tensor:
        found: Tensor = getattr(self.module, self.weight)
        return found

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows (outputs) and columns (inputs times places of the kernel) of the weight, of one group."""
        return self.tensor.shape[0] // self.groups, self.tensor[0].numel()

    def change(self, attribute: str, by: WeightChange) -> None:
        """Let `by` stand on the attribute."""
        parametrize.register_parametrization(self.module, attribute, by)


def layers(body: nn.Module, names: Container[str]) -> list[Layer]:
    """Linear layers, convolutions, attention projections and norms whose weights are called so in `names`.

    Left out is a weight that several modules share (its change would reach all of them) or that is computed already.
    """
    holders = Counter(id(p) for module in body.modules() for p in module._parameters.values() if p is not None)
    found = []
    for path, module in body.named_modules():
        for layer in _layers_of(path, module):
            own = module._parameters[layer.weight]
            if f"{path}.{layer.weight}".lstrip(".") in names and holders[id(own)] == 1:
                found.append(layer)
    return found


def merge(network: nn.Module) -> None:
    """Put every changed weight in the place of its original, under its plain name; the network answers as before."""
    for module in list(network.modules()):
        for name in _changed(module):
            _give_own_class(module)
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)


def plain_name(name: str) -> str:
    """The weight that a parameter is, or is a change of.

    >>> plain_name("fc.parametrizations.weight.0.B"), plain_name("fc.bias")
    ('fc.weight', 'fc.bias')
    """
    owner, inside, rest = name.partition("parametrizations.")
    return owner + rest.partition(".")[0] if inside else name


def _layers_of(path: str, module: nn.Module) -> Iterator[Layer]:
    norm = is_norm(module)
    if not norm and not isinstance(module, _MATRICES):
        return
    for weight, bias in _PAIRS:
        if module._parameters.get(weight) is not None:
            name = path if weight == "weight" else f"{path}.{weight}".lstrip(".")
            own_bias = bias if module._parameters.get(bias) is not None else ""
            groups = module.groups if isinstance(module, _CONVOLUTIONS) else 1
            yield Layer(name, module, weight, own_bias, groups, norm)


def _changed(module: nn.Module) -> list[str]:
    """Names of its weights with keiki's changes; parametrizations that a network was born with are its own affair."""
    if not parametrize.is_parametrized(module):
        return []
    stacks: Any = module.parametrizations
    return [name for name, stack in stacks.items() if all(isinstance(each, WeightChange) for each in stack)]


def _give_own_class(module: nn.Module) -> None:
    """torch keeps a computed weight as a property of a class that deep copies share, and deletes it there.

    Without this, merging a copy would take the weight away from the network that it was copied from.
    """
    shared = type(module)
    own = {name: value for name, value in vars(shared).items() if name not in ("__dict__", "__weakref__")}
    module.__class__ = type(shared.__name__, shared.__bases__, own)
