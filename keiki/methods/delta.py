"""DELTA: what the inner layers answer, not what they weigh, stays near to the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Literal

from keiki.core.errors import OptionError
from keiki.core.options import Linear, OneOf, option
from keiki.data.task import Batch, TrainView
from keiki.methods.base import METHODS, Descend, Model, Phase, Solve
from keiki.methods.freezing import first_moving
from keiki.methods.limits import refuse_outside
from keiki.methods.recipe import settle
from keiki.methods.toward_source import PullConfig, on_device
from keiki.methods.tuning import Tuning, held_back, size_of, start, tune, validate

if TYPE_CHECKING:
    from torch import Tensor

    from keiki.nn.network import Seen

BATCHES, BATCH = 10, 32  # that the attention is estimated on, as in TLlib
ATTENTION = "attention/"  # before a stage's name: where the attention (C,) of its map lies


@METHODS.add("delta")
class Delta(Tuning):
    """Fine-tuning with a penalty on how far the maps of some stages move from those of the source network.

    cross-entropy + alpha / 2 sum_stages mean_items C sum_c a_c mean_p (m_cp - m0_cp)^2 + beta / 2 |w_head|^2

    m are the maps of the tuned network, m0 those of the source network on the same input, c channels, p positions
    (pixels, tokens without padding). The attention a sums to 1 and is higher for channels that the task needs: a
    softmax of the z-scored rise in loss without the channel, over 5. Source: Li et al. 2019, "DELTA: Deep Learning
    Transfer using Feature Map with Attention", arXiv:1901.09229, equations 5 to 7. Deviations: the rise is estimated
    to second order by five passes back on each of ten batches, where the paper zeroes channels one by one; the mean
    over items, so that the strength does not grow with the batch; stages spread evenly over those that move; BatchNorm
    statistics stand still, because moving ones alone put Lite0 fifty times its task loss away from its source before
    any weight has moved. Dropout stays part of the distance, so a very strong pull on a text network follows its noise.
    """

    name = "delta"
    paper = "arXiv:1901.09229"
    title = "fine-tuning with maps kept near to the source (DELTA)"

    @dataclass(frozen=True, kw_only=True)
    class Config(PullConfig):
        maps: int = option(4, "stages whose maps are compared, spread over those that move", search=Linear(1, 16))
        attention: Literal["gradient", "uniform"] = option(
            "gradient", "which channels count: those that the task needs, or all", search=OneOf(("gradient", "uniform"))
        )

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_outside(self, "maps", 1)
            if self.attention == "gradient" and self.start == "zeros":
                raise OptionError(
                    "Option 'attention' cannot be gradient with start=zeros: a head of zeros needs no channel.",
                    hint="Set attention=uniform, or leave start=probe.",
                )

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        settled, _ = settle(self.config, size_of(model, view, self.config))
        modules = watched(model, settled.freeze, self.config.maps)
        yield from start(model, view, self.config)
        yield Solve("attention", lambda: attend(model, view, self.config, modules))
        watch = Watch(model, self.config, modules)
        yield watch.over(tune(model, view, self.config, penalty=watch.penalty))
        yield validate(model, view, self.config)


def watched(model: Model, freeze: str, most: int) -> dict[str, str]:
    """The module at the end of each stage that is compared, by the stage's name: at most `most`, the last among them.

    A stage of loose parameters alone has no module and gives no map.
    """
    stages = model.backbone.stages()
    moving = stages[first_moving(freeze, [stage.name for stage in stages]) :]
    loose = {name for name, _ in model.network.body.named_parameters()}
    ends = {stage.name: [name for name in stage.modules if name not in loose] for stage in moving}
    found = [(stage, modules[-1]) for stage, modules in ends.items() if modules]
    n, kept = len(found), min(len(found), most)
    chosen = {n - 1 - round(i * n / kept) for i in range(kept)}
    return dict(found[i] for i in sorted(chosen))


def attend(model: Model, view: TrainView, config: Delta.Config, modules: dict[str, str]) -> None:
    """Lay aside how much each channel of each map counts, where not all count the same."""
    model.facts["delta"] = {"stages": list(modules), "attention": config.attention}
    if config.attention == "uniform" or not modules:
        return
    from keiki.nn.delta import attention, rises_without

    model.network.eval()
    rises = rises_without(model.source, model.network.answer, modules, _shown(model, view, config))
    model.aside |= {ATTENTION + name: attention(rise).float().cpu().numpy() for name, rise in rises.items()}


def _shown(model: Model, view: TrainView, config: Delta.Config) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Some batches of what training learns from, as they are: named inputs and labels."""
    import torch

    from keiki.nn.network import tensors

    learn, _ = held_back(view, config)
    feed = model.feed(view.items.take(learn), view.labels[learn], BATCH, whole=True)
    device = model.network.device
    for batch in islice(feed.batches(0, view.random.child("attention")), BATCHES):
        yield tensors(batch, device), torch.from_numpy(batch.labels).to(device)


class Watch:
    """The maps of the tuned network while a loss is computed, and DELTA's penalty on them."""

    def __init__(self, model: Model, config: Delta.Config, modules: dict[str, str]) -> None:
        self.model = model
        self.config = config
        self.modules = modules
        self.maps: dict[str, Tensor] = {}

    def over(self, phase: Descend) -> Descend:
        """The phase with the network watched for as long as a loss takes, so that copies and exports are not."""
        (move,) = phase.moves
        return replace(phase, moves=[replace(move, loss=lambda batch: self._watched(move.loss, batch))])

    def penalty(self, seen: Seen) -> Tensor:
        from keiki.nn.delta import map_distance
        from keiki.nn.l2_sp import squared_size
        from keiki.nn.maps import refuse_missing

        refuse_missing(self.maps, self.modules)
        source, mask = self._source_maps(seen), seen.inputs.get("attention_mask")
        total = self.config.beta / 2 * squared_size(self.model.network.head_parameters())
        for name, ours in self.maps.items():
            distance = map_distance(ours, source[name], self._attention.get(name), mask)
            total = total + self.config.alpha / 2 * distance
        return total

    def _watched(self, loss: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        from keiki.nn.maps import recorded

        self.maps.clear()
        with recorded(self.model.network.body, self.modules, self.maps):
            return loss(batch)

    def _source_maps(self, seen: Seen) -> dict[str, Tensor]:
        import torch

        from keiki.nn.maps import recorded

        maps: dict[str, Tensor] = {}
        with torch.no_grad(), recorded(self.model.source, self.modules, maps):
            self.model.network.through(seen.inputs, self.model.source)
        return maps

    @cached_property
    def _attention(self) -> dict[str, Tensor]:
        """By stage; none where all channels count the same. Read at the first step, when it has been laid aside."""
        names = [name for name in self.modules if ATTENTION + name in self.model.aside]
        return {name: on_device(self.model, ATTENTION + name) for name in names}
