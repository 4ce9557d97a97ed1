"""What the inner modules of a network give, in one shape for convolutions, windows and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from keiki.core.errors import TrainingError


@contextmanager
def recorded(
    body: nn.Module, modules: Mapping[str, str], maps: dict[str, Tensor], *, leaves: bool = False
) -> Iterator[None]:
    """While open, every pass through `body` fills `maps` with what the named modules give.

    modules: a module's name in `body` by the name to keep its map under. leaves: maps through which no gradient runs
    begin one, so that a loss can be derived by them in a frozen network. Of a tuple the first part is the map. What
    follows gets a copy, because it may work in place. Afterwards the network is as it was.
    """
    handles = [
        body.get_submodule(module).register_forward_hook(_keeper(maps, name, leaves))
        for name, module in modules.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keeper(maps: dict[str, Tensor], name: str, leaves: bool) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        found = output[0] if isinstance(output, tuple) else output
        if not isinstance(found, Tensor):
            raise TrainingError(f"Stage '{name}' gives a {type(found).__name__}, where a tensor is needed.")
        kept = found.detach().requires_grad_() if leaves and not found.requires_grad else found
        maps[name] = kept
        return (kept.clone(), *output[1:]) if isinstance(output, tuple) else kept.clone()

    return hook


def refuse_missing(maps: Mapping[str, Tensor], modules: Mapping[str, str]) -> None:
    """Raise TrainingError unless the pass has gone through all the modules."""
    missing = [name for name in modules if name not in maps]
    if missing:
        raise TrainingError(
            f"The network never goes through '{missing[0]}', so there is no map of it to compare.",
            hint="Freeze up to that stage by --set freeze, or use --method l2-sp, which compares weights.",
        )


def positions_and_channels(found: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A map as (B, P, C) in float32, and the share (B, P) of each position in its item's mean; padding has none.

    Takes (B, C, H, W) and, where the second and third sizes alone are equal, (B, H, W, C); tokens (B, T, C), of which
    those count that `mask` (B, T) says are real; and vectors (B, C), which are one position.
    """
    if found.dim() == 2:
        found = found.unsqueeze(1)
    elif found.dim() == 4:
        last = found.shape[1] == found.shape[2] != found.shape[3]
        found = found.flatten(1, 2) if last else found.flatten(2).transpose(1, 2)
    elif found.dim() != 3:
        raise TrainingError(f"A map of the shape {tuple(found.shape)} has no positions and channels that are known.")
    real = found.new_ones(found.shape[:2]).float()
    if mask is not None and mask.shape == real.shape:
        real = mask.float()
    return found.float(), real / real.sum(dim=1, keepdim=True).clamp(min=1.0)
