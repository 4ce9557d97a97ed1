"""Fine-tuning by recipe: rates, epochs, augmentation and depth follow from the size of the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from keiki.core.options import Linear, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase, Solve
from keiki.methods.linear_probe import LinearProbe
from keiki.methods.paired import is_worse
from keiki.methods.tuning import Tuning, held_losses, learning_part, place_probe, start, tune, validate
from keiki.methods.tuning_config import Start, TuningConfig

PREFERRED = "preferred"  # among the facts: what was better on the held-back fold
PROBE = "probe"


@METHODS.add("fine-tune")
class FineTune(Tuning):
    """Fine-tuning whose depth, rates and epochs follow from the size of the data, with the probe to fall back on.

    A linear probe chooses the view. The network then begins with a head of zeros (but for rows of classes that a start
    of the user's own knows), since on one that fits already the body learns little but to be surer; the stages below a
    depth lie still and answer from the cache. In the end it is the probe that is kept where the held-back fold prefers
    it by more than a standard error. The rule is written down in `keiki.methods.recipe`, and run.json tells what it has
    set and why; what is set by hand stays as it is.
    Source: the idea of one heuristic for all sizes, Kolesnikov et al. 2020, "Big Transfer", arXiv:1912.11370, section
    3.3; smoothed labels, Szegedy et al. 2016, arXiv:1512.00567, section 7. Deviation: the rule is our own, by
    measurement.
    """

    name = "fine-tune"
    paper = "arXiv:1912.11370"
    title = "fine-tuning by recipe"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        epochs: int | Auto = option("auto", "passes over the training items, at most", search=Linear(1, 50))
        batch_size: int | Auto = option("auto", "items a step", search=Linear(2, 256))
        freeze: str = option(
            "auto", "stages that stay still: auto, none, the first k, all but the last k as -k, or up to NAME"
        )
        augment: Literal["auto", "none", "light", "medium", "strong"] = option(
            "auto", "how strongly training items vary: a level, or auto by the number of items a class"
        )
        start: Start = option("zeros", "head to start from: a linear probe solved on the frozen features, or zeros")

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        if self.config.start == "zeros":
            yield from LinearProbe().phases(model, learning_part(view, self.config))
        yield from start(model, view, self.config)
        yield tune(model, view, self.config)
        if self.config.start == "zeros" and self.config.head == "linear":
            yield Solve("keep the better", lambda: _keep_the_better(model, view, self.config))
        if self.config.until == 0:
            yield Solve("stay at the start", lambda: _tell_of_probe(model))
        yield validate(model, view, self.config)

    def _decided(self, model: Model) -> dict[str, Any]:
        return {"start": "probe", "until": 0} if model.facts.get(PREFERRED) == PROBE else {}


def _keep_the_better(model: Model, view: TrainView, config: FineTune.Config) -> None:
    """Go back to the probe that was solved before, where the held-back fold likes it better by a standard error."""
    if config.hold_back == "nothing":
        return
    tuned = held_losses(model, view, config)
    state = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    model.network.body.load_state_dict(model.source.state_dict())
    place_probe(model, view, config)
    model.facts[PREFERRED] = PROBE if is_worse(tuned, held_losses(model, view, config)) else "network"
    if model.facts[PREFERRED] != PROBE:
        model.network.load_state_dict(state)
        return
    _tell_of_probe(model)


def _tell_of_probe(model: Model) -> None:
    """What the descent has moved is not what is kept."""
    head = sum(parameter.numel() for parameter in model.network.head_parameters())
    model.facts["trained_parameters"] = head
    model.facts["trainable"] = head / sum(parameter.numel() for parameter in model.network.parameters())
