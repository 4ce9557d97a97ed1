"""How a batch gets to the device: through pinned memory and without waiting to a GPU, plainly to the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from keiki.data.task import Batch
from keiki.nn.network import tensors

ROWS = np.arange(6.0, dtype=np.float32).reshape(2, 3)
BATCH = Batch({"x": ROWS}, np.zeros(2, dtype=np.int64), np.arange(2))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of torch, whose answer is the tensor itself: there need not be a GPU."""
    asked: list[Any] = []

    def pin(self: torch.Tensor) -> torch.Tensor:
        asked.append("pin")
        return self

    def to(self: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        asked.append((device.type, non_blocking))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", to)
    return asked


def test_to_a_gpu_it_goes_from_pinned_memory_without_waiting(calls: list[Any]) -> None:
    found = tensors(BATCH, torch.device("cuda:0"))
    assert calls == ["pin", ("cuda", True)]
    np.testing.assert_array_equal(found["x"].numpy(), ROWS)


def test_on_a_cpu_nothing_is_pinned(calls: list[Any]) -> None:
    tensors(BATCH, torch.device("cpu"))
    assert calls == [("cpu", False)]


def test_the_tensors_are_copies() -> None:
    tensors(BATCH, torch.device("cpu"))["x"].zero_()
    assert ROWS.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_it_is_the_batch() -> None:
    found = tensors(BATCH, torch.device("cuda"))["x"]
    assert found.is_cuda
    np.testing.assert_array_equal(found.cpu().numpy(), ROWS)
