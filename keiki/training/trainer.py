"""The only loop: runs the phases of any method, owns device, randomness, schedule, stopping and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keiki.core.errors import TrainingError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import TrainView
from keiki.methods.base import Descend, Method, Model, Solve
from keiki.training.checkpoint import Checkpoints

if TYPE_CHECKING:
    from keiki.training.descent import Descent


class Trainer:
    """Runs the phases of a method on a model.

    Everything random comes from streams named by phase and epoch, so that a run that was cut at any point and resumed
    from its checkpoint ends with the same bits as one that was not.
    """

    def __init__(
        self, random: Randomness, record: Record, *, threads: int = 1, checkpoints: Checkpoints | None = None
    ) -> None:
        self.random = random
        self.record = record
        self.threads = threads
        self.checkpoints = checkpoints

    def run(self, method: Method, model: Model, view: TrainView) -> Model:
        """Run all phases (those that a checkpoint has behind it are skipped) and return the model."""
        state = self.checkpoints.newest() if self.checkpoints and model.network is not None else None
        done, inside = 0, None
        if state is not None:
            model.restore(state.arrays, state.values["model"])
            done, inside = state.values["phases_done"], state.values.get("inside")
            self.record.event("resumed", phases_done=done, epoch=inside["epoch"] if inside else 0)
        for number, phase in enumerate(method.phases(model, view)):
            if number < done:
                continue
            self.record.event("phase", name=phase.name, number=number)
            if isinstance(phase, Solve):
                phase.run()
            else:
                self._descend(number, phase, model, state if number == done and inside else None)
            self._save(model, {"phases_done": number + 1})
        return model

    def _descend(self, number: int, phase: Descend, model: Model, state: Any) -> None:
        from keiki.training.descent import Descent

        if model.network is None:
            raise TrainingError(f"Phase '{phase.name}' wants gradients, but the model has no network.")
        descent = Descent(phase, model.network, self.random.child("phase", number), self.threads)
        if state is not None:
            descent.restore(state)

        def after_epoch(at: Descent) -> None:
            self.record.event("epoch", phase=phase.name, **at.curve[-1])
            self.record.progress(phase.name, at.epoch, phase.epochs)
            self._save(model, {"phases_done": number, "inside": at.values()}, at.arrays(), at.epoch)

        descent.run(after_epoch)
        model.facts.setdefault("curves", []).append({"phase": phase.name, "epochs": descent.curve})
        model.facts["trainable"] = descent.trainable_share()

    def _save(self, model: Model, values: dict[str, Any], arrays: Any = None, epoch: int = 9998) -> None:
        if self.checkpoints is None or model.network is None:
            return
        model_arrays, model_values = model.state()
        number = values["phases_done"] * 10_000 + epoch + 1
        self.checkpoints.save(number, {**model_arrays, **(arrays or {})}, {**values, "model": model_values})
