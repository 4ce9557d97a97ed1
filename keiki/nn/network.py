"""Networks that own their weights: body and head as one torch module, and how they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from keiki.core.random import Randomness
from keiki.data.task import Batch
from keiki.nn.linear import LinearHead
from keiki.nn.softmax import FloatArray


class BodyAndHead(nn.Module):
    """Named inputs -> body -> features (B, D) -> linear head -> logits (B, C)."""

    def __init__(self, body: nn.Module, width: int, n_classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, n_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        out: Tensor = self.head(self.features(inputs))
        return out

    def features(self, inputs: dict[str, Tensor]) -> Tensor:
        """Features (B, D) of named inputs."""
        out: Tensor = self.body(**inputs)
        return out

    @property
    def device(self) -> torch.device:
        return self.head.weight.device


def put_head(network: BodyAndHead, head: LinearHead) -> None:
    """Copy a solved head into the network."""
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weight))
        network.head.bias.copy_(torch.from_numpy(head.bias))


def tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """The batch's inputs as tensors of their own (a cached array must never be changed in place)."""
    return {name: torch.from_numpy(np.array(array)).to(device) for name, array in batch.inputs.items()}


@dataclass(frozen=True)
class Seen:
    """What one forward pass of the network has made of a batch: features (B, D), logits (B, C), labels (B,)."""

    batch: Batch
    inputs: dict[str, Tensor]
    features: Tensor
    logits: Tensor
    labels: Tensor


def task_loss(network: BodyAndHead, penalty: Callable[[Seen], Tensor] | None = None) -> Callable[[Batch], Tensor]:
    """The loss of a batch: mean cross-entropy of the network's logits, and what `penalty` adds to it."""

    def loss(batch: Batch) -> Tensor:
        inputs = tensors(batch, network.device)
        features = network.features(inputs)
        labels = torch.from_numpy(batch.labels).to(network.device)
        seen = Seen(batch, inputs, features, network.head(features), labels)
        task = nn.functional.cross_entropy(seen.logits, labels)
        return task if penalty is None else task + penalty(seen)

    return loss


class Stream(Protocol):
    """Batches of prepared items."""

    def batches(self, epoch: int, random: Randomness) -> Iterator[Batch]: ...


def feed_logits(network: BodyAndHead, feed: Stream, n: int) -> FloatArray:
    """Logits (n, C) of all items of a feed, in eval mode, in the items' own order."""
    was_training = network.training
    network.eval()
    out = np.empty((n, network.head.out_features))
    with torch.inference_mode():
        for batch in feed.batches(0, Randomness(0)):
            out[batch.positions] = network(tensors(batch, network.device)).double().cpu().numpy()
    network.train(was_training)
    return out


def head_of(network: BodyAndHead) -> LinearHead:
    """The network's head as arrays."""
    return LinearHead(
        network.head.weight.detach().double().cpu().numpy(), network.head.bias.detach().double().cpu().numpy()
    )
