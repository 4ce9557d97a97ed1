"""BSS: the weakest directions of the features are shrunk, because they transfer worst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keiki.core.options import Linear, Log, option
from keiki.data.task import TrainView
from keiki.methods.base import METHODS, Model, Phase
from keiki.methods.limits import refuse_outside
from keiki.methods.tuning import Tuning, start, tune, validate
from keiki.methods.tuning_config import TuningConfig

if TYPE_CHECKING:
    from torch import Tensor

    from keiki.nn.network import Seen


@METHODS.add("bss")
class Bss(Tuning):
    """Fine-tuning with a penalty on the smallest singular values of each batch's features F (B, D).

    cross-entropy + eta sum_{i <= k} sigma_{-i}(F)^2,  sigma_{-i} the i-th smallest

    What a batch's features hold little of is mostly what the source task needed and the new one does not; shrinking it
    suppresses negative transfer. Of a batch with more items than features that are ever above zero nothing is left to
    shrink, and the penalty is 0. Source: Chen et al. 2019, "Catastrophic Forgetting Meets Negative Transfer: Batch
    Spectral Shrinkage for Safe Transfer Learning", NeurIPS, equation 5. Deviations: AdamW; the head starts from a
    probe; where memory is short a batch goes in parts, and each part has its own singular values.
    """

    name = "bss"
    paper = "Chen et al. 2019, NeurIPS"
    title = "fine-tuning with batch spectral shrinkage (BSS)"

    @dataclass(frozen=True, kw_only=True)
    class Config(TuningConfig):
        eta: float = option(1e-3, "strength of the shrinkage", search=Log(1e-5, 1e-1))
        k: int = option(1, "how many of the smallest singular values are shrunk", search=Linear(1, 8))

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "eta", 0)
            refuse_outside(self, "k", 1)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        from keiki.nn.bss import smallest_squares

        def penalty(seen: Seen) -> Tensor:
            shrunk: Tensor = self.config.eta * smallest_squares(seen.features, self.config.k)
            return shrunk

        yield from start(model, view, self.config)
        yield tune(model, view, self.config, penalty=penalty)
        yield validate(model, view, self.config)
