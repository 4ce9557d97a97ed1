"""Small networks and the descents on them that the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from keiki.core.random import Randomness
from keiki.data.task import Batch
from keiki.methods.base import Descend, Group, Move
from keiki.nn.softmax import FloatArray
from keiki.training.descent import Descent
from keiki.training.pace import Pace

RANDOM = Randomness(0)
PACE = Pace()


@dataclass
class Stream:
    """Three batches of four rows, the same in every epoch."""

    steps: int = 3
    rows: np.ndarray = field(default_factory=lambda: np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32))

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]:
        for at in np.split(np.arange(12), 3)[start:]:
            yield Batch({"x": self.rows[at]}, at % 2, at)


def held(loss: float) -> FloatArray:
    """What validation says of four items that all have this loss."""
    return np.full(4, loss)


class Network(nn.Module):
    """A body with BatchNorm and dropout, and a head."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.body = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU())
            self.head = nn.Linear(6, 2)

    def loss(self, batch: Batch) -> torch.Tensor:
        x = torch.from_numpy(np.array(batch.inputs["x"], dtype=np.float32))
        return nn.functional.cross_entropy(self.head(self.body(x)), torch.from_numpy(batch.labels))


class Maps(Network):
    """The same on maps: convolutions, one of them by channel and one of a single pixel."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.body = nn.Sequential(
                nn.Conv2d(1, 4, (1, 2)), nn.BatchNorm2d(4), nn.Conv2d(4, 4, (1, 2), groups=4), nn.ReLU(),
                nn.Conv2d(4, 6, 1), nn.Dropout(0.5), nn.Conv2d(6, 3, (1, 2)), nn.Flatten(),
            )  # fmt: skip

    def loss(self, batch: Batch) -> torch.Tensor:
        x = torch.from_numpy(np.array(batch.inputs["x"], dtype=np.float32))
        logits = self.head(self.body(x[:, None, None, :]))
        return nn.functional.cross_entropy(logits, torch.from_numpy(batch.labels))


def strides(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tensor.stride() for name, tensor in network.state_dict().items()}


def phase(network: Network, parameters: Any = None, **more: Any) -> Descend:
    group = Group(list(parameters or network.parameters()), 0.05, weight_decay=0.1)
    return Descend("tune", [Move(network.loss, [group])], **{"epochs": 3, "feed": Stream(), **more})


def ran(network: Network, what: Descend) -> Descent:
    descent = Descent(what, network, RANDOM, PACE)
    descent.run(lambda _: None)
    return descent
