"""Surgical fine-tuning: one part of the network moves; which one, validation says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from keiki.core.errors import OptionError
from keiki.core.options import OneOf, option
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase, Solve
from keiki.methods.chosen import note_choice
from keiki.methods.tuning import Tuning, held_losses, remember_start, start, start_state, tune, validate
from keiki.methods.tuning_config import TuningConfig

Part = Literal["first", "middle", "last"]
BEST = "best part/"  # before the names of what is laid aside of the best one
PROVEN = ("moved", "trained_parameters", "trainable", "frozen")  # facts of each descent: see keiki/training/proof.py
PARTS: tuple[Part, ...] = ("first", "middle", "last")


@dataclass(frozen=True, kw_only=True)
class SurgicalConfig(TuningConfig):
    part: Literal["auto", "first", "middle", "last"] = option(
        "auto", "third of the stages that moves; auto tries all three", search=OneOf(("auto", *PARTS))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part == "auto" and self.hold_back == "nothing":
            raise OptionError("Option 'part' cannot be auto where nothing is held back.", hint="Set part=last.")


@METHODS.add("surgical")
class Surgical(Tuning):
    """Tune the first, the middle or the last third of the stages, each from the source; keep what validates best.

    The first third suits inputs that look different (blur, another camera), the middle one other features, the last one
    other labels. All three begin at the same probe, and the head moves along.
    Source: Lee et al. 2023, "Surgical Fine-Tuning Improves Adaptation to Distribution Shifts", arXiv:2210.11466.
    Deviation: thirds of the stages stand for the blocks of a ResNet; one held-back fold chooses, by its log
    loss at the best temperature.
    """

    name = "surgical"
    paper = "arXiv:2210.11466"
    title = "one third of the stages"
    Config = SurgicalConfig

    def _telling_curve(self, model: Model) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in model.facts["curves"] if each["phase"] == model.facts["ships"])
        return found

    def _decided(self, model: Model) -> dict[str, Any]:
        return {"part": model.facts["part"]}

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, self.config)
        yield Solve("remember the start", lambda: remember_start(model))
        names = thirds([list(parameters) for _, parameters in model.parts()])
        for part in PARTS if self.config.part == "auto" else (self.config.part,):
            yield Solve(f"back to the source for {part}", lambda: _reset(model))
            yield tune(model, view, self.config, name=f"tune {part}", moves=partial(_among, names[part]))
            yield Solve(f"keep {part} if it is best", partial(_keep, model, view, part, self.config))
        yield Solve("take the best", lambda: _take(model, self.config))
        yield validate(model, view, self.config)


def thirds(stages: Sequence[Sequence[str]]) -> dict[Part, frozenset[str]]:
    """The names in the first, middle and last third of the stages; a stage that no third can spare is shared out late.

    >>> {part: sorted(names) for part, names in thirds([["a"], ["b"], ["c"], ["d"]]).items()}
    {'first': ['a'], 'middle': ['b'], 'last': ['c', 'd']}
    """
    n = len(stages)
    cuts = [0, max(1, n // 3), max(2, 2 * n // 3), n]
    return {
        part: frozenset(name for stage in stages[first:last] for name in stage)
        for part, first, last in zip(PARTS, cuts, cuts[1:], strict=False)
    }


def _among(names: frozenset[str], name: str, owner: object) -> bool:
    return name in names


def _reset(model: Model) -> None:
    """The network as it was at the start; that another part has moved is undone, so the proof of stillness begins anew
    and holds each tensor outside of the part that comes to what it was when built."""
    model.network.load_state_dict(start_state(model))
    model.facts.pop("moved", None)


def _keep(model: Model, view: TrainView, part: Part, config: TuningConfig) -> None:
    """Lay the network aside if no part before has done better on the held-back fold; one alone is always kept."""
    loss = 0.0 if config.hold_back == "nothing" else float(held_losses(model, view, config).mean())
    tried = model.facts.setdefault("parts", {})
    if not tried or loss < min(tried.values()):
        now = {BEST + name: t.cpu().numpy().copy() for name, t in model.network.state_dict().items()}
        model.aside |= now
        model.facts |= {"part": part, "ships": f"tune {part}", "kept": {name: model.facts[name] for name in PROVEN}}
    tried[part] = loss


def _take(model: Model, config: SurgicalConfig) -> None:
    import torch

    best = {name.removeprefix(BEST): array for name, array in model.aside.items() if name.startswith(BEST)}
    model.network.load_state_dict({name: torch.from_numpy(array) for name, array in best.items()})
    model.aside = {}
    model.facts |= model.facts.pop("kept")
    if config.part == "auto":
        losses = ", ".join(f"{part} {loss:.3f}" for part, loss in model.facts["parts"].items())
        note_choice(model, "part", model.facts["part"], f"least log loss on the held-back fold: {losses}")
