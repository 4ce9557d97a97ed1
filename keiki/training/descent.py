"""One Descend phase, step by step: rates, sleeping groups, frozen parts truly still, the best state kept."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.data.task import Batch
from keiki.methods.base import Descend, Group, Move
from keiki.nn.faster import faster, may_fold
from keiki.training.average import Average
from keiki.training.checkpoint import State
from keiki.training.optimizing import Optimizer
from keiki.training.pace import Pace
from keiki.training.pieces import is_out_of_memory, most_pieces, split
from keiki.training.schedule import rate_factor
from keiki.training.stillness import as_it_was, moving_tensors, release, train_mode
from keiki.training.stopping import Stopping

Array = npt.NDArray[Any]
Ending = Literal["", "epochs", "patience", "time", "diverged"]


class Descent:
    """Runs a Descend phase on a network; its state can be saved after any step and restored bit for bit.

    Nothing random is kept between steps: what a step draws follows from the phase's stream and the number of the step,
    what the feed draws from the stream and the epoch. So a state is the weights, the moments, the means, the curve and
    the position in the feed.

    out_of_time: asked after every step; once it says yes the phase ends with the best state so far.
    """

    def __init__(
        self,
        phase: Descend,
        network: nn.Module,
        random: Randomness,
        pace: Pace,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self.phase = phase
        self.network = network
        self.random = random
        self.pace = pace
        self.pieces = self.asked_pieces
        self.out_of_time = out_of_time
        self.epoch = 0
        self.position = 0  # batches of the present epoch that are done
        self.awake = 0  # wake-ups so far
        self.losses: list[float] = []  # of the present epoch
        self.curve: list[dict[str, float]] = []
        self.stopping = Stopping(phase.patience)
        self.kept: dict[str, Array] = {}
        self.ending: Ending = ""
        self._folds: bool | None = None  # whether still norms may be folded into convolutions; None: not looked yet
        pace.place(network)
        self.optimizers = [Optimizer(move) for move in phase.moves]
        self.average = Average(phase.ema, moving_tensors(network, self.all_moving)) if phase.ema > 0 else None

    @property
    def asked_pieces(self) -> int:
        """In how many pieces a batch is computed as long as memory suffices."""
        return max(self.phase.pieces, self.pace.pieces)

    @property
    def groups(self) -> list[Group]:
        return [group for move in self.phase.moves for group in move.groups]

    @property
    def all_moving(self) -> set[int]:
        """Ids of the parameters that move sooner or later."""
        return {id(p) for group in self.groups for p in group.parameters}

    @property
    def moving(self) -> set[int]:
        """Ids of the parameters that move now."""
        return {id(p) for group in self.groups if group.wakes <= self.awake for p in group.parameters}

    @property
    def sleeping(self) -> bool:
        return any(group.wakes > self.awake for group in self.groups)

    @property
    def step(self) -> int:
        """Steps done."""
        return self.epoch * self.phase.feed.steps + self.position

    def run(self, after_epoch: Callable[[Descent], None], after_step: Callable[[Descent], None] | None = None) -> None:
        """All that is left; the network ends with the best state if the phase validates and may stop."""
        with self.pace.at_work():
            try:
                if self.epoch == self.position == 0 and not self.curve:
                    self._judge({})
                while not self.ending and self.epoch < self._last and not self._exhausted:
                    self._one_epoch(after_step)
                    after_epoch(self)
                self.ending = self.ending or ("epochs" if self.epoch >= self._last else "patience")
                self._settle()
            finally:
                self.network.eval()

    def seconds_a_step(self, steps: int = 2) -> float:
        """Measured seconds of one step, decoding included; the network is changed, so give one to throw away.

        Raises TrainingError where the loss of a step is no number.
        """
        with self.pace.at_work():
            self.awake = max(group.wakes for group in self.groups)  # the dearest step
            self._make_ready()
            try:
                return self._timed(steps)
            except _Diverged as problem:
                raise self._too_fast(self._told(problem)) from problem

    def _timed(self, steps: int) -> float:
        batches = self._endless()
        self._step(0, next(batches))  # the first one is slower than all others
        start = time.perf_counter()
        for batch in itertools.islice(batches, steps):
            self._step(0, batch)
        return (time.perf_counter() - start) / steps

    def values(self) -> dict[str, Any]:
        """The plain part of the state."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "random": {"seed": self.random.seed, "step": self.step},
            "awake": self.awake,
            "losses": self.losses,
            "curve": self.curve,
            "improved": self.stopping.improved,
            "waited": self.stopping.waited,
            "steps": [optimizer.steps() for optimizer in self.optimizers],
            "averaged": self.average.steps if self.average else 0,
            "pieces": self.pieces,
            "ending": self.ending,
        }

    def arrays(self) -> dict[str, Array]:
        """The optimisers' moments, the means, the weights to keep so far, and the losses that they are held against."""
        out = {f"kept/{name}": array for name, array in self.kept.items()}
        if self.stopping.best is not None:
            out["best"] = self.stopping.best
        if self.average is not None:
            out |= {f"average/{name}": array for name, array in self.average.arrays().items()}
        for number, optimizer in enumerate(self.optimizers):
            out |= {f"optimizer/{number}/{name}": array for name, array in optimizer.arrays().items()}
        return out

    def restore(self, state: State) -> None:
        """Go on from `state`; the network's weights have been restored already."""
        inside = state.values["inside"]
        self.epoch, self.position, self.awake = inside["epoch"], inside["position"], inside["awake"]
        self.losses, self.curve = list(inside["losses"]), list(inside["curve"])
        self.stopping.best = state.arrays.get("best")
        self.stopping.improved, self.stopping.waited = inside["improved"], inside["waited"]
        self.pieces, self.ending = inside["pieces"], inside["ending"]
        self.kept = _under(state.arrays, "kept/")
        if self.average is not None:
            self.average.restore(_under(state.arrays, "average/"), inside["averaged"])
        for number, optimizer in enumerate(self.optimizers):
            optimizer.restore(inside["steps"][number], _under(state.arrays, f"optimizer/{number}/"))

    @property
    def _last(self) -> int:
        return self.phase.epochs if self.phase.until is None else min(self.phase.until, self.phase.epochs)

    @property
    def _exhausted(self) -> bool:
        return self.stopping.exhausted and not self.sleeping

    def _endless(self) -> Iterator[Batch]:
        for epoch in itertools.count():
            yield from self.phase.feed.batches(epoch, self.random)

    def _make_ready(self) -> None:
        release(self.network, self.moving)
        train_mode(self.network, self.moving, still=self.phase.still)

    def _one_epoch(self, after_step: Callable[[Descent], None] | None) -> None:
        """What is left of the present epoch, up to its judgement; less where time runs out or the loss is no number."""
        if self.phase.before_epoch is not None:
            self.phase.before_epoch(self.epoch)
        self._make_ready()
        for batch in self.phase.feed.batches(self.epoch, self.random, start=self.position):
            try:
                self.losses.append(self._step(self.step, batch))
            except _Diverged as problem:
                self._give_up(problem)
                return
            self.position += 1
            if self.out_of_time():
                self.ending = "time"
                break
            if after_step is not None:
                after_step(self)
        line = {"train_loss": float(np.mean(self.losses))}
        if self.position >= self.phase.feed.steps:
            self.epoch, self.position, self.losses = self.epoch + 1, 0, []
        self._judge(line)
        self._wake()

    def _wake(self) -> None:
        """Wake the next group if it is time; patience then begins anew."""
        if self.sleeping and (self.phase.wake == "epoch" or self.stopping.exhausted):
            self.awake += 1
            self.stopping.waited = 0

    def _step(self, step: int, batch: Batch) -> float:
        total = self.phase.epochs * self.phase.feed.steps
        losses = [line["validation_loss"] for line in self.curve if "validation_loss" in line]
        factor = rate_factor(step, total, self.phase.warmup_ratio, self.phase.schedule, losses)
        first = 0.0
        for number, (move, optimizer) in enumerate(zip(self.phase.moves, self.optimizers, strict=True)):
            stream = ("dropout", step, number) if number else ("dropout", step)
            loss = self._gradient(move, optimizer, batch, step, self.random.number(*stream))
            if self.phase.clip_norm > 0:
                nn.utils.clip_grad_norm_([p for g in move.groups for p in g.parameters], self.phase.clip_norm)
            optimizer.step(factor)
            first = loss if number == 0 else first
        if self.average is not None:
            self.average.update(self.network.state_dict())
        if self.phase.after_step is not None:
            self.phase.after_step()
        return first

    def _gradient(self, move: Move, optimizer: Optimizer, batch: Batch, step: int, seed: int) -> float:
        """The loss of a move, with its gradient left on the parameters; in more pieces where memory runs out.

        Each attempt draws from `seed` on, as one would that began with its number of pieces.
        """
        if self._folds is None:
            self._folds = self._may_fold(move, batch)
        while True:
            torch.manual_seed(seed)
            optimizer.clear()
            try:
                return self._in_pieces(move, batch, step)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.pieces >= most_pieces(batch):
                    raise self._too_large(batch) from error
                self.pieces *= 2

    def _may_fold(self, move: Move, batch: Batch) -> bool:
        """Looked up on the first items of a batch."""
        few, _ = next(split(batch, most_pieces(batch)))
        with as_it_was(self.network):
            self.network.eval()
            return may_fold(self.network, lambda: move.loss(few))

    def _too_large(self, batch: Batch) -> TrainingError:
        items = max(len(piece.labels) for piece, _ in split(batch, self.pieces))
        return TrainingError(
            f"Memory ran out in a step of '{self.phase.name}', with no more than {items} items at once.",
            hint="Lower batch_size, or freeze more stages.",
        )

    def _in_pieces(self, move: Move, batch: Batch, step: int) -> float:
        total = 0.0
        for piece, share in split(batch, self.pieces):
            with self.pace.autocast(), faster(self.network, fold=bool(self._folds)):
                loss = move.loss(piece)
            value = loss.item()
            if not math.isfinite(value):
                raise _Diverged("loss", value, step)
            (loss if share == 1 else loss * share).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            total += share * value
        return total

    def _judge(self, facts: dict[str, float]) -> None:
        line = {"epoch": float(self.epoch) if not self.position else self.epoch + self.position / self.phase.feed.steps}
        line |= facts
        with self.average.in_place_of(self.network) if self.average and self.curve else nullcontext():
            if self.phase.validate is not None:
                losses = self.phase.validate()
                line["validation_loss"] = float(losses.mean())
                if not math.isfinite(line["validation_loss"]):
                    self._give_up(_Diverged("validation loss", line["validation_loss"], self.step))
                    return
                if self.stopping.keeps(losses) and self.phase.patience > 0:
                    self.kept = to_arrays(self.network)
                    line["kept"] = 1.0
        self.curve.append(line)

    def _give_up(self, problem: _Diverged) -> None:
        """Go back to the state to keep if an epoch has ended with one; raise TrainingError otherwise."""
        if self.epoch == 0 or not self.kept:
            raise self._too_fast(self._told(problem))
        self.ending = "diverged"
        self.curve[-1] = {**self.curve[-1], "diverged_at_step": float(problem.step)}

    def _told(self, problem: _Diverged) -> str:
        return f"The {problem.what} of '{self.phase.name}' is {problem.value} at step {problem.step}"

    def _too_fast(self, told: str) -> TrainingError:
        return TrainingError(
            f"{told}: the rate is too high for it.",
            hint=f"The highest learning rate was {max(group.learning_rate for group in self.groups):g}; lower it, for "
            "instance by --set learning_rate=1e-5 --set head_rate=1e-3",
        )

    def _settle(self) -> None:
        """Leave the network with the weights to keep; raises TrainingError where they are no numbers."""
        if self.kept:
            load_arrays(self.network, self.kept)
        elif self.average is not None:
            load_arrays(self.network, self.average.arrays())
        moving = self.all_moving
        for name, parameter in self.network.named_parameters():
            if id(parameter) in moving and not bool(parameter.isfinite().all()):  # no loss has seen the last step
                raise self._too_fast(f"Weights of '{self.phase.name}' are no numbers after step {self.step} ('{name}')")


class _Diverged(Exception):
    """A number that is none, and where it came up."""

    def __init__(self, what: str, value: float, step: int) -> None:
        super().__init__(what)
        self.what, self.value, self.step = what, value, step


def to_arrays(network: nn.Module) -> dict[str, Array]:
    """The network's tensors as arrays of their own."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_arrays(network: nn.Module, arrays: dict[str, Array]) -> None:
    """Put arrays back where `to_arrays` found them; tensors that are not among them stay."""
    tensors = network.state_dict()
    with torch.no_grad():
        for name, array in arrays.items():
            tensors[name].copy_(torch.from_numpy(np.array(array)))


def _under(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
