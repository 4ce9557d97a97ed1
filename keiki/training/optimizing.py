"""AdamW for the groups of a move, with a state that can be saved and restored bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from keiki.methods.base import Move

MOMENTS = ("exp_avg", "exp_avg_sq")
Arrays = Mapping[str, npt.NDArray[Any]]


class Optimizer:
    """The optimiser of one move; each group has a rate of its own, which `step` scales."""

    def __init__(self, move: Move) -> None:
        self.groups = move.groups
        groups = [
            {"params": list(group.parameters), "lr": group.learning_rate, "weight_decay": group.weight_decay}
            for group in move.groups
        ]
        self._adamw = torch.optim.AdamW(groups, fused=True)  # one pass over each weight; on a CPU too

    def clear(self) -> None:
        self._adamw.zero_grad(set_to_none=True)

    def step(self, factor: float) -> None:
        """One step at `factor` times the peak rates; what has no gradient stays."""
        for group, declared in zip(self._adamw.param_groups, self.groups, strict=True):
            group["lr"] = declared.learning_rate * factor
        self._adamw.step()

    def steps(self) -> list[int]:
        """How many steps each parameter that has moved has behind it."""
        return [int(each["step"]) for _, each in self._slots()]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The moments, by number of the parameter and name."""
        return {f"{at}/{name}": each[name].cpu().numpy() for at, each in self._slots() for name in MOMENTS}

    def restore(self, steps: list[int], arrays: Arrays) -> None:
        """Go on with what `steps` and `arrays` gave; the weights are where and how they will be trained."""
        saved = self._adamw.state_dict()
        slots = sorted({int(name.split("/")[0]) for name in arrays})
        parameters = [parameter for group in self.groups for parameter in group.parameters]
        for slot, step in zip(slots, steps, strict=True):
            moments = {name: _beside(parameters[slot], arrays[f"{slot}/{name}"]) for name in MOMENTS}
            saved["state"][slot] = {"step": torch.tensor(float(step)), **moments}
        self._adamw.load_state_dict(saved)

    def _slots(self) -> list[tuple[int, dict[str, torch.Tensor]]]:
        return sorted(self._adamw.state_dict()["state"].items())


def _beside(parameter: torch.Tensor, array: npt.NDArray[Any]) -> torch.Tensor:
    """`array` on the device and in the layout of `parameter`: the fused step walks the memory of both side by side."""
    moment = torch.empty_like(parameter, memory_format=torch.preserve_format, requires_grad=False)
    return moment.copy_(torch.from_numpy(np.array(array)))
