"""WiSE-FT: the mean of the source's weights and the tuned ones, mixed as validation says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keiki.core.errors import OptionError
from keiki.core.options import Linear, option
from keiki.data.task import TrainView
from keiki.methods.augmenting import Auto
from keiki.methods.base import METHODS, Model, Phase, Solve
from keiki.methods.chosen import note_choice
from keiki.methods.limits import refuse_outside
from keiki.methods.loss_options import head_shape
from keiki.methods.tuning import Tuning, held_losses, remember_start, start, start_state, tune, validate
from keiki.methods.tuning_config import Start, TuningConfig

SHARES = tuple(round(0.1 * i, 1) for i in range(11))


@METHODS.add("wise-ft")
class WiseFt(Tuning):
    """Fine-tune, then interpolate every weight: w = (1 - a) * w_source + a * w_tuned.

    The source is the pretrained body with its probe; both ends share that body as their start. `mix` fixes a; on auto
    it is chosen among 0, 0.1, ..., 1 by the log loss of the held-back fold, each mixture at its best temperature.
    Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903. Deviations: a linear probe
    stands for the zero-shot head, and the descent begins with a head of zeros, because from a head that fits already
    the body learns too little to be worth mixing in (docs/log.md).
    """

    name = "wise-ft"
    paper = "arXiv:2109.01903"
    title = "weights between source and tuned"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        start: Start = option("zeros", "head that the descent starts from: the source's linear probe, or zeros")
        mix: float | Auto = option(
            "auto", "share of the tuned weights; auto chooses it on the held-back fold", search=Linear(0, 1)
        )

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.mix != "auto":
                refuse_outside(self, "mix", 0, 1)
            elif self.hold_back == "nothing":
                raise OptionError("Option 'mix' cannot be auto where nothing is held back.", hint="Set mix=0.5.")

    def _decided(self, model: Model) -> dict[str, Any]:
        return {"mix": model.facts["mix"]["share"]}

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from start(model, view, replace(self.config, start="probe"))
        yield Solve("remember the start", lambda: remember_start(model))
        if self.config.start == "zeros":
            yield Solve("begin with zeros", lambda: _begin_anew(model, self.config))
        yield tune(model, view, self.config)
        yield Solve("mix", lambda: _mix(model, view, self.config))
        yield validate(model, view, self.config)


def _begin_anew(model: Model, config: WiseFt.Config) -> None:
    """The head as it was built, in which all answers are the same."""
    _, head = head_shape(config).build(model.backbone.network_width, len(model.target.classes))
    model.network.head.load_state_dict(head.state_dict())


def _mix(model: Model, view: TrainView, config: WiseFt.Config) -> None:
    from keiki.nn.mixing_weights import interpolate

    first = start_state(model)
    last = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    shares = SHARES if config.mix == "auto" else (config.mix,)
    losses = []
    for share in shares:
        interpolate(model.network, first, last, share)
        if config.mix == "auto":
            losses.append(held_losses(model, view, config))
    at = int(np.argmin([each.mean() for each in losses])) if losses else 0
    interpolate(model.network, first, last, shares[at])
    told = {str(share): float(each.mean()) for share, each in zip(shares, losses, strict=False)}
    model.facts["mix"] = {"share": shares[at], "log_loss": told}
    if config.mix == "auto":
        note_choice(model, "mix", shares[at], f"least log loss of {len(shares)} mixtures on the held-back fold")
