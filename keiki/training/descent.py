"""One Descend phase, epoch by epoch: optimisers, schedule, frozen parts truly still, the best state kept."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.data.task import Batch
from keiki.methods.base import Descend, Move
from keiki.training.checkpoint import State
from keiki.training.schedule import rate_factor
from keiki.training.stopping import Stopping

Array = npt.NDArray[Any]


class Descent:
    """Runs a Descend phase on a network; its state can be saved after any epoch and restored bit for bit."""

    def __init__(self, phase: Descend, network: nn.Module, random: Randomness, threads: int) -> None:
        self.phase = phase
        self.network = network
        self.random = random
        self.threads = threads
        self.epoch = 0
        self.curve: list[dict[str, float]] = []
        self.stopping = Stopping(phase.patience)
        self.best: dict[str, Array] = {}
        self.optimizers = [_optimizer(move) for move in phase.moves]
        self._moving = {id(p) for move in phase.moves for group in move.groups for p in group.parameters}

    def run(self, after_epoch: Callable[[Descent], None]) -> None:
        """All epochs that are left; the network ends with the best state if the phase validates and may stop."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            self._release()
            if self.epoch == 0:
                self._judge({})
            while self.epoch < self.phase.epochs and not self.stopping.exhausted:
                losses = self._one_epoch()
                self.epoch += 1
                self._judge({"train_loss": float(np.mean(losses))})
                after_epoch(self)
            if self.best:
                load_arrays(self.network, self.best)
        finally:
            torch.set_num_threads(before)
            self.network.eval()

    def seconds_a_step(self, steps: int = 2) -> float:
        """Measured seconds of one step, decoding included; the network is changed, so give one to throw away."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            self._release()
            self._train_mode()
            batches = self._endless()
            self._step(0, next(batches))  # the first one is slower than all others
            start = time.perf_counter()
            for batch in itertools.islice(batches, steps):
                self._step(0, batch)
            return (time.perf_counter() - start) / steps
        finally:
            torch.set_num_threads(before)

    def trainable_share(self) -> float:
        """Share of the network's parameters that this phase may move."""
        sizes = [(p.numel(), id(p) in self._moving) for p in self.network.parameters()]
        return sum(n for n, moves in sizes if moves) / max(1, sum(n for n, _ in sizes))

    def values(self) -> dict[str, Any]:
        """The plain part of the state."""
        return {
            "epoch": self.epoch,
            "curve": self.curve,
            "best": None if math.isinf(self.stopping.best) else self.stopping.best,
            "waited": self.stopping.waited,
            "steps": [[int(each["step"]) for _, each in _slots(o)] for o in self.optimizers],
        }

    def arrays(self) -> dict[str, Array]:
        """The optimisers' moments and the best weights so far."""
        out = {f"best/{name}": array for name, array in self.best.items()}
        for number, optimizer in enumerate(self.optimizers):
            for at, moments in _slots(optimizer):
                for name in ("exp_avg", "exp_avg_sq"):
                    out[f"optimizer/{number}/{at}/{name}"] = moments[name].cpu().numpy()
        return out

    def restore(self, state: State) -> None:
        """Go on from `state`; the network's weights have been restored already."""
        inside = state.values["inside"]
        self.epoch, self.curve = inside["epoch"], list(inside["curve"])
        self.stopping.best = math.inf if inside["best"] is None else inside["best"]
        self.stopping.waited = inside["waited"]
        self.best = {n.removeprefix("best/"): a for n, a in state.arrays.items() if n.startswith("best/")}
        for number, optimizer in enumerate(self.optimizers):
            _restore_optimizer(optimizer, number, inside["steps"][number], state.arrays)

    def _endless(self) -> Iterator[Batch]:
        for epoch in itertools.count():
            yield from self.phase.feed.batches(epoch, self.random)

    def _one_epoch(self) -> list[float]:
        if self.phase.before_epoch is not None:
            self.phase.before_epoch(self.epoch)
        torch.manual_seed(self.random.number("dropout", self.epoch))
        self._train_mode()
        losses = []
        for at, batch in enumerate(self.phase.feed.batches(self.epoch, self.random)):
            losses.append(self._step(self.epoch * self.phase.feed.steps + at, batch))
        return losses

    def _step(self, step: int, batch: Batch) -> float:
        total = self.phase.epochs * self.phase.feed.steps
        factor = rate_factor(step, total, self.phase.warmup_ratio, self.phase.schedule)
        first = 0.0
        for number, (move, optimizer) in enumerate(zip(self.phase.moves, self.optimizers, strict=True)):
            loss = move.loss(batch)
            self._refuse_infinite("loss", loss.item(), f"step {step}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            for group, declared in zip(optimizer.param_groups, move.groups, strict=True):
                group["lr"] = declared.learning_rate * factor
            if self.phase.clip_norm > 0:
                nn.utils.clip_grad_norm_([p for g in move.groups for p in g.parameters], self.phase.clip_norm)
            optimizer.step()
            first = loss.item() if number == 0 else first
        if self.phase.after_step is not None:
            self.phase.after_step()
        return first

    def _judge(self, facts: dict[str, float]) -> None:
        line = {"epoch": float(self.epoch), **facts}
        if self.phase.validate is not None:
            line["validation_loss"] = self.phase.validate()
            self._refuse_infinite("validation loss", line["validation_loss"], f"epoch {self.epoch}")
            if self.stopping.better(line["validation_loss"]) and self.phase.patience > 0:
                self.best = to_arrays(self.network)
        self.curve.append(line)

    def _refuse_infinite(self, what: str, value: float, at: str) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"The {what} of '{self.phase.name}' is {value} at {at}.",
                hint="Lower the learning rate, for instance by --set learning_rate=1e-5",
            )

    def _release(self) -> None:
        for parameter in self.network.parameters():
            parameter.requires_grad_(id(parameter) in self._moving)

    def _train_mode(self) -> None:
        """Train mode where something moves, eval mode elsewhere: frozen BatchNorm and dropout stand still."""
        self.network.train()
        for module in self.network.modules():
            own = list(module.parameters())
            if own and not any(id(p) in self._moving for p in own):
                module.eval()


def to_arrays(network: nn.Module) -> dict[str, Array]:
    """The network's tensors as arrays of their own."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_arrays(network: nn.Module, arrays: dict[str, Array]) -> None:
    """Put arrays back where `to_arrays` found them."""
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


def _optimizer(move: Move) -> torch.optim.AdamW:
    groups = [
        {"params": list(group.parameters), "lr": group.learning_rate, "weight_decay": group.weight_decay}
        for group in move.groups
    ]
    return torch.optim.AdamW(groups)


def _slots(optimizer: torch.optim.AdamW) -> list[tuple[int, dict[str, torch.Tensor]]]:
    return sorted(optimizer.state_dict()["state"].items())


def _restore_optimizer(optimizer: torch.optim.AdamW, number: int, steps: list[int], arrays: dict[str, Array]) -> None:
    saved = optimizer.state_dict()
    prefix = f"optimizer/{number}/"
    slots = sorted({int(name.split("/")[2]) for name in arrays if name.startswith(prefix)})
    for slot, step in zip(slots, steps, strict=True):
        moments = {
            name: torch.from_numpy(np.array(arrays[f"{prefix}{slot}/{name}"])) for name in ("exp_avg", "exp_avg_sq")
        }
        saved["state"][slot] = {"step": torch.tensor(float(step)), **moments}
    optimizer.load_state_dict(saved)
