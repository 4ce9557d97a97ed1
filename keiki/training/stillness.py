"""What is frozen lies truly still: no gradient, no dropout, no statistics that move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def release(network: nn.Module, moving: set[int]) -> None:
    """Let gradients reach the parameters with these ids, and no others."""
    for parameter in network.parameters():
        parameter.requires_grad_(id(parameter) in moving)


def train_mode(network: nn.Module, moving: set[int], *, still: bool = False) -> None:
    """Train mode where something moves, eval mode elsewhere: frozen BatchNorm and dropout stand still.

    still: a BatchNorm keeps its statistics even where its own weights move.
    """
    network.train()
    for module in network.modules():
        own = list(module.parameters())
        frozen = own and not any(id(p) in moving for p in own)
        if frozen or (still and isinstance(module, _BatchNorm)):
            module.eval()


@contextmanager
def as_it_was(network: nn.Module) -> Iterator[None]:
    """Put modes, and which parameters gradients reach, back as they were before; no gradient is left."""
    modes = [(module, module.training) for module in network.modules()]
    released = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode  # train() would set its children too
        for parameter, reached in released:
            parameter.requires_grad_(reached)
            parameter.grad = None


def moving_tensors(network: nn.Module, moving: set[int]) -> dict[str, Tensor]:
    """The tensors of the network's state that may change: moving parameters, and the buffers beside them."""
    names = [name for name, parameter in network.named_parameters() if id(parameter) in moving]
    return _with_buffers(network, names)


def _with_buffers(network: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    wanted = set(names)
    owners = {name.rpartition(".")[0] for name in wanted}
    buffers = {name for name, _ in network.named_buffers()}
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name in wanted or (name in buffers and name.rpartition(".")[0] in owners)
    }
