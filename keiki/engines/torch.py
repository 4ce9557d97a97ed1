"""torch, eager, fp32: the engine for networks that do not convert, and the witness of those that do."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn


@final
class TorchEngine:
    """Runs `module` in eval mode on `device` with `threads` CPU threads; torch's own thread count is put back after.

    Arrays that `module.forward` does not take are left out. True fp32: TF32 and autotuned kernels are off, since
    either gives other last bits.
    """

    def __init__(self, module: nn.Module, threads: int = 1, device: str = "cpu") -> None:
        self._module = module.to(device).eval()
        self._threads = threads
        self._device = device
        self.inputs = tuple(inspect.signature(module.forward).parameters)

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
        """The module's output (B, ...) for named inputs (B, ...)."""
        with _threads(self._threads), _exact(), torch.inference_mode():
            output = self._module(**{name: self._tensor(inputs[name]) for name in self.inputs if name in inputs})
            return np.asarray(output.float().cpu().numpy(), dtype=np.float32)

    def _tensor(self, array: npt.NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.array(array)).to(self._device)  # a copy: in-place layers and read-only maps crash


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _exact() -> Iterator[None]:
    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
