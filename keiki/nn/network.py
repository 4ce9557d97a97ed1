"""Networks that own their weights: body, neck and head as one torch module, and how they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.data.task import Batch
from keiki.nn.boundary import Cut
from keiki.nn.heads import Neck, Shape
from keiki.nn.kept import KEPT
from keiki.nn.linear import LinearHead
from keiki.nn.losses import ItemLoss, PerItem, mixed
from keiki.nn.softmax import FloatArray
from keiki.nn.standardise import DenseFeatures


class BodyAndHead(nn.Module):
    """Named inputs -> body -> (B, width) -> neck -> features (B, D) -> head, linear in them -> logits (B, C)."""

    def __init__(self, body: nn.Module, width: int, n_classes: int, shape: Shape | None = None) -> None:
        super().__init__()
        self.body = body
        self.neck, self.head = (shape or Shape()).build(width, n_classes)
        self.find_cut: Callable[[], Cut] | None = None  # where the network is cut, if its inputs may begin there

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.answer(self.through(inputs))

    def through(self, inputs: dict[str, Tensor], body: nn.Module | None = None) -> Tensor:
        """What the body makes of named inputs, (B, width), or another `body` of the same stages.

        With an input 'boundary' only what lies above the cut is computed.
        """
        chosen = self.body if body is None else body
        if KEPT not in inputs or self.find_cut is None:
            out: Tensor = chosen(**inputs)
            return out
        return self.find_cut().upper(chosen, inputs[KEPT], inputs)

    def answer(self, features: Tensor) -> Tensor:
        """Logits (B, C) of features (B, width) of the body."""
        out: Tensor = self.head(self.neck(features))
        return out

    def features(self, inputs: dict[str, Tensor]) -> Tensor:
        """Features (B, D) of named inputs, as the head sees them."""
        out: Tensor = self.neck(self.through(inputs))
        return out

    def head_parameters(self) -> list[nn.Parameter]:
        """All that stands on the body: the parameters of neck and head."""
        return [*self.neck.parameters(), *self.head.parameters()]

    def trunk(self) -> nn.Module:
        """The module that gives the features: the body, with the neck where that changes anything."""
        return BodyAndNeck(self.body, self.neck) if self.neck.changes else self.body

    @property
    def device(self) -> torch.device:
        return self.head.weight.device


class BodyAndNeck(nn.Module):
    """The body's own named inputs -> features (B, D) as the head sees them."""

    def __init__(self, body: nn.Module, neck: Neck) -> None:
        super().__init__()
        self.body = body
        self.neck = neck

        def forward(**inputs: Tensor) -> Tensor:
            out: Tensor = neck(body(**inputs))
            return out

        vars(forward)["__signature__"] = signature(body.forward)  # where a converter reads the names of the inputs
        self.forward = forward


def put_head(network: BodyAndHead, head: LinearHead, features: DenseFeatures | None = None) -> None:
    """Start the network's head from one that was solved on features (N, width) of the body: see `keiki.nn.heads`.

    The features are needed where the neck makes directions of them.
    """
    network.head.place(network.neck.carry(head, features))


def tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """The batch's inputs as tensors of their own (a cached array must never be changed in place).

    To a GPU they go from pinned memory, so that nobody waits for the transfer.
    """
    own = {name: torch.from_numpy(np.array(array)) for name, array in batch.inputs.items()}
    if device.type == "cuda":
        return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in own.items()}
    return {name: tensor.to(device) for name, tensor in own.items()}


@dataclass(frozen=True)
class Seen:
    """What one forward pass of the network has made of a batch.

    features (B, width) as the body gives them, before any neck; logits (B, C); labels (B,).
    """

    batch: Batch
    inputs: dict[str, Tensor]
    features: Tensor
    logits: Tensor
    labels: Tensor


def task_loss(
    network: BodyAndHead, penalty: Callable[[Seen], Tensor] | None = None, item_loss: PerItem | None = None
) -> Callable[[Batch], Tensor]:
    """The loss of a batch: the mean of `item_loss` (cross-entropy) over its items, and what `penalty` adds to it.

    item_loss: logits (B, C) and labels (B,) to (B,). Items that were mixed have their share of two labels' losses.
    """
    each = item_loss or ItemLoss()

    def loss(batch: Batch) -> Tensor:
        inputs = tensors(batch, network.device)
        features = network.through(inputs).float()  # bfloat16 has too few digits for a loss
        labels = torch.from_numpy(batch.labels).to(network.device)
        seen = Seen(batch, inputs, features, network.answer(features).float(), labels)
        task = _losses(each, seen).mean()
        return task if penalty is None else task + penalty(seen)

    return loss


def _losses(each: PerItem, seen: Seen) -> Tensor:
    batch, device = seen.batch, seen.logits.device
    if batch.others is None or batch.shares is None:
        return each(seen.logits, seen.labels)
    others, shares = (torch.from_numpy(array).to(device) for array in (batch.others, batch.shares))
    return mixed(each, seen.logits, seen.labels, others, shares)


class Stream(Protocol):
    """Batches of prepared items."""

    def batches(self, epoch: int, random: Randomness) -> Iterator[Batch]: ...


def feed_logits(network: BodyAndHead, feed: Stream, n: int) -> FloatArray:
    """Logits (n, C) of all items of a feed, in eval mode, in the items' own order."""
    return _answers(network, feed, np.empty((n, network.head.out_features)), network)


def feed_features(network: BodyAndHead, feed: Stream, n: int) -> npt.NDArray[np.float32]:
    """Features (n, D), as the head sees them, of all items of a feed, in eval mode, in the items' own order."""
    return _answers(network, feed, np.empty((n, network.head.in_features), dtype=np.float32), network.features)


def _answers(
    network: BodyAndHead, feed: Stream, out: npt.NDArray[Any], answer: Callable[[dict[str, Tensor]], Tensor]
) -> npt.NDArray[Any]:
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for batch in feed.batches(0, Randomness(0)):
            out[batch.positions] = answer(tensors(batch, network.device)).double().cpu().numpy()
    network.train(was_training)
    return out


def head_of(network: BodyAndHead) -> LinearHead:
    """The head as arrays: linear in `features`, whatever its kind."""
    with torch.no_grad():
        weight, bias = network.head.effective()
    return LinearHead(weight.detach().double().cpu().numpy(), bias.detach().double().cpu().numpy())


def trunk_weights(network: BodyAndHead) -> dict[str, npt.NDArray[np.generic]]:
    """The tensors of all that gives the features: the body's by their own names, the neck's as `neck.NAME`."""
    body, neck = network.body.state_dict(), network.neck.state_dict(prefix="neck.")
    if set(body) & set(neck):
        raise TrainingError("The network has a part called 'neck' already, so its head's neck cannot be told from it.")
    return {name: tensor.detach().cpu().numpy() for name, tensor in {**body, **neck}.items()}
