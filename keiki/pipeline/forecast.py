"""How long a fit would take: what can be measured in a moment is, the rest follows a rule.

Passes through networks are counted and timed on a few items. Heads, the small network, and what comes after them follow
rules in N, D, C and the number of selections, fitted on a machine with two cores; a product of matrices, timed here,
says how much faster or slower this one is. The sum is meant to be right within a factor of two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from keiki.backbones.base import Backbone
from keiki.data.task import Task
from keiki.methods.base import Method
from keiki.methods.linear_probe import RANKING_ITEMS
from keiki.methods.public_start import PublicStart
from keiki.methods.thumbnail_cnn import FEWEST, MOST
from keiki.pipeline.estimate import outer_rounds
from keiki.selection.workshop import Workshop

PRODUCT = 512  # side of the matrices whose product is timed
REFERENCE = 2.6e-3  # seconds that it took where the rules were fitted
HEAD = (0.1, 1e-7)  # seconds a head, and for each item x feature x class
WORDS = (0.15, 2e-4)  # seconds a head on words, and for each text
STEP = 8e-3  # seconds a step of the small network
PATCHES = 6 * 50  # passes that show what the first mistakes hung on
WORDED = 6 * 12  # the same for texts
REST = (4.0, 1e-3)  # seconds of health, bundle and report, and for each item
SHARDS = 2  # of RANKING_ITEMS, that samples of training items lie in
CNN = "thumbnail-cnn"
Seconds = Callable[[Backbone, str | None], float]  # to prepare and pass one item


@dataclass(frozen=True)
class Forecast:
    """Seconds by stage. untold: methods that train a network, whose time nobody knows before."""

    features: float
    fit: float
    controls: float
    report: float
    untold: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        return self.features + self.fit + self.controls + self.report

    def to_json(self) -> dict[str, float]:
        stages = {name: round(value, 1) for name, value in asdict(self).items() if name != "untold"}
        return {**stages, "total": round(self.total, 1)}


def forecast(
    task: Task,
    first: float,
    method: Method,
    controls: Sequence[Method],
    shop: Workshop,
    seconds: Seconds,
    samples: bool,
) -> Forecast:
    """What a fit would cost; first: seconds of the first pass, samples: whether the report shows items."""
    pace, n = slowness(), len(task.items)
    learned = np.sort(np.concatenate([task.train, task.val]))
    sizes = [*(len(rest) for rest, _ in outer_rounds(task)), len(learned)]
    view, test = task.training_view(), task.items.take(task.test)

    def known(each: Method) -> bool:
        return shop.remembers(each, view, test)

    new = [each for each in (method, *controls) if not known(each)]
    told = [each for each in new if each is not method and (not _trains(each) or each.name == CNN)]
    ask = _Asked(task, sizes, shop, seconds, pace)
    return Forecast(
        first,
        ask.probe() if method in new else 0.0,
        sum(map(ask.control, told)),
        pace * (REST[0] + REST[1] * n) + samples * ask.explanations(),
        tuple(each.name for each in new if _trains(each) and each not in told),
    )


def _trains(method: Method) -> bool:
    """Whether a network is trained; what runs another method does what that does."""
    return method.like.gradient if isinstance(method, PublicStart) else method.gradient


def slowness() -> float:
    """How much longer than the reference this machine takes for a product of matrices, at the moment."""
    side = np.random.default_rng(0).standard_normal((PRODUCT, PRODUCT)).astype(np.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        side @ side
        times.append(time.perf_counter() - start)
    return float(np.median(times)) / REFERENCE


@dataclass(frozen=True)
class _Asked:
    """What the rules need: the task, the sizes of all training sides, and what passes take."""

    task: Task
    sizes: Sequence[int]
    shop: Workshop
    seconds: Seconds
    pace: float

    def probe(self) -> float:
        """The method on the chosen backbone: its views, and a head for each selection."""
        backbone = self.shop.backbone
        row = self.task.items.raws[0]
        width = len(row) if isinstance(row, np.ndarray) else backbone.card.width
        return self._views(backbone) + self._heads(self.sizes, width)

    def control(self, control: Method) -> float:
        if control.name == CNN:
            return self.pace * STEP * sum(float(np.clip(n / 4, FEWEST, MOST)) for n in self.sizes)
        own, most = control.bring(self.shop.backbone, self.shop.random), control.max_items
        if own.direct:
            return self.pace * sum(WORDS[0] + WORDS[1] * n for n in self.sizes) * (self.task.modality == "text")
        if most is None:  # its items are part of the first pass
            return self._heads(self.sizes, own.card.width)
        request = (own, next(iter(own.transforms())))
        left = min(self.shop.bank.missing(self.task.items, [request])[0], most)
        passes = left * self.seconds(*request) if left else 0.0
        return passes + self._heads([min(n, most) for n in self.sizes], own.card.width)

    def explanations(self) -> float:
        passes = {"image": PATCHES, "text": WORDED}.get(self.task.modality, 0)
        backbone = self.shop.backbone
        if not passes or backbone.direct:
            return 0.0
        return passes * self.seconds(backbone, next(iter(backbone.transforms())))

    def _views(self, backbone: Backbone) -> float:
        """Other ways to prepare the items are tried on a sample; then one of them may be the best for all."""
        if backbone.direct:
            return 0.0
        names = list(backbone.transforms())[1:]
        missing = self.shop.bank.missing(self.task.items, [(backbone, name) for name in names])
        costs = [self.seconds(backbone, name) if n else 0.0 for name, n in zip(names, missing, strict=True)]
        sampled = [min(n, SHARDS * RANKING_ITEMS) for n in missing]
        rest = [(n - some) * cost for n, some, cost in zip(missing, sampled, costs, strict=True)]
        return sum(some * cost for some, cost in zip(sampled, costs, strict=True)) + max(rest, default=0.0)

    def _heads(self, sizes: Sequence[int], width: int) -> float:
        return self.pace * sum(HEAD[0] + HEAD[1] * n * width * len(self.task.target.classes) for n in sizes)
