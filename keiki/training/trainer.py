"""The only loop: runs the phases of any method, owns device, randomness, schedule, stopping and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import TrainView
from keiki.methods.base import Descend, Method, Model, Solve
from keiki.training.checkpoint import Checkpoints, State

if TYPE_CHECKING:
    from keiki.training.descent import Descent
    from keiki.training.pace import Pace
    from keiki.training.proof import Proof

    FindPace = Callable[[str, Callable[[], Pace]], Pace]

WORTH = 10.0  # seconds of training, below which looking for a faster way costs more than it brings
CHECKPOINT_SECONDS = 60.0  # what a kill within an epoch costs at most


class Trainer:
    """Runs the phases of a method on a model.

    Everything random comes from streams named by phase, epoch and step, so that a run that was cut at any point and
    resumed from its checkpoint ends with the same bits as one that was not.

    pace: how steps are computed. find_pace: given the name of a descent and a function that times other ways of
    computing its steps, the way to take; without it `pace` is taken. out_of_time: asked after every step of a descent;
    once it says yes each descent ends with its best state so far.
    """

    def __init__(
        self,
        random: Randomness,
        record: Record,
        *,
        pace: Pace | None = None,
        find_pace: FindPace | None = None,
        checkpoints: Checkpoints | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self.random = random
        self.record = record
        self.checkpoints = checkpoints
        self.checkpoint_seconds = checkpoint_seconds
        self.out_of_time = out_of_time
        self._pace = pace
        self._find_pace = find_pace

    def run(self, method: Method, model: Model, view: TrainView) -> Model:
        """Run all phases (those that a checkpoint has behind it are skipped) and return the model.

        Outside of descents the network lies as `pace` has it, cut or not: another layout gives other last bits.
        """
        if model.network is None:
            return self._phases(method, model, view, None, None)
        from keiki.training.proof import Proof

        proof = Proof(model.network)  # before anything is restored: as built
        state = self.checkpoints.newest() if self.checkpoints else None
        if state is not None:
            model.restore(state.arrays, state.values["model"])
            inside = state.values.get("inside")
            self.record.event(
                "resumed", phases_done=state.values["phases_done"], epoch=inside["epoch"] if inside else 0
            )
        self.pace.place(model.network)
        self._phases(method, model, view, state, proof)
        if "moved" in model.facts:
            from keiki.training.movement import movement

            model.facts["movement"] = movement(model)
        return model

    def _phases(self, method: Method, model: Model, view: TrainView, state: State | None, proof: Proof | None) -> Model:
        done = state.values["phases_done"] if state else 0
        for number, phase in enumerate(method.phases(model, view)):
            if number < done:
                continue
            self.record.event("phase", name=phase.name, number=number)
            if isinstance(phase, Solve):
                phase.run()
            elif proof is None:
                raise TrainingError(f"Phase '{phase.name}' wants gradients, but the model has no network.")
            else:
                moved = self._descend(number, phase, model, state if state and number == done else None)
                proof.after(model, moved)
            self._save(model, {"phases_done": number + 1})
        return model

    def _descend(self, number: int, phase: Descend, model: Model, state: State | None) -> set[int]:
        """Run a descent, or what is left of it; returns the ids of the parameters that it may move."""
        from keiki.training.descent import Descent

        start = time.perf_counter()
        random = self.random.child("phase", number)
        pace = self.pace
        if self._find_pace is not None:
            pace = self._find_pace(phase.name, lambda: _fastest(phase, model, random, self.pace))
        descent = Descent(phase, model.network, random, pace, self.out_of_time)
        if state is not None and state.values.get("inside"):
            descent.restore(state)
        saved = time.perf_counter()

        def save(at: Descent) -> None:
            nonlocal saved
            self._save(model, {"phases_done": number, "inside": at.values()}, at.arrays())
            saved = time.perf_counter()

        def after_epoch(at: Descent) -> None:
            self.record.event("epoch", phase=phase.name, **at.curve[-1])
            self.record.progress(phase.name, at.epoch, phase.epochs)
            save(at)

        def after_step(at: Descent) -> None:
            if time.perf_counter() - saved > self.checkpoint_seconds:
                save(at)

        descent.run(after_epoch, after_step)
        self.pace.place(model.network)
        if descent.pieces > descent.asked_pieces:
            self.record.event("out of memory", phase=phase.name, pieces=descent.pieces)
        _keep_facts(model, phase, descent, time.perf_counter() - start)
        return descent.all_moving

    @property
    def pace(self) -> Pace:
        """How steps are computed: as was asked for, else plainly, by one thread."""
        from keiki.training.pace import Pace

        return self._pace or Pace()

    def _save(self, model: Model, values: dict[str, Any], arrays: Any = None) -> None:
        if self.checkpoints is None or model.network is None:
            return
        model_arrays, model_values = model.state()
        self.checkpoints.append({**model_arrays, **(arrays or {})}, {**values, "model": model_values})


def _fastest(phase: Descend, model: Model, random: Randomness, plain: Pace) -> Pace:
    """The fastest way of computing the steps of `phase`; the network is afterwards as it was.

    Nothing is timed where all steps together take less than `WORTH` seconds.
    """
    from keiki.training.descent import Descent, load_arrays, to_arrays
    from keiki.training.pace import fastest
    from keiki.training.stillness import as_it_was

    before = to_arrays(model.network)

    def seconds(pace: Pace) -> float:
        return Descent(phase, model.network, random, pace).seconds_a_step()

    has_maps = model.backbone.card.modality == "image"
    with as_it_was(model.network):
        try:
            return fastest(plain, seconds, has_maps=has_maps, worth=WORTH / phase.steps)
        finally:
            plain.place(model.network)
            load_arrays(model.network, before)


def _keep_facts(model: Model, phase: Descend, descent: Descent, seconds: float) -> None:
    """What a report tells of a descent: its curve, how it ended, how it was computed, what it took."""
    told = {
        "phase": phase.name,
        "epochs": descent.curve,
        "ended": descent.ending,
        "steps": descent.step,
        "seconds": seconds,
        "pace": {**descent.pace.to_json(), "pieces": descent.pieces},
    }
    model.facts.setdefault("curves", []).append(told)
