"""The idea of one paper: what it needs, what it builds, and its phases in reading order.

A method is one class in one file:

    @METHODS.add("my-method")
    class MyMethod(Method):
        @dataclass(frozen=True, kw_only=True)
        class Config(options.Config):
            strength: float = option(0.1, "pull toward the source weights", search=Log(0.001, 1))

        def phases(self, model, view):
            yield Solve("head", lambda: ...)              # closed forms and surgery
            yield Descend("tune", moves=[...], ...)       # gradients; several moves for games

Between two yields nothing changes: every change happens inside a phase, so that a run can be cut at any phase and
resumed. Generators compose: `yield from Other(config).phases(model, view)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from keiki.backbones.base import Backbone
from keiki.backbones.boundary import Boundary
from keiki.backbones.boundary_feed import BoundaryFeed
from keiki.backbones.features import FeatureBank
from keiki.core import options
from keiki.core.errors import RequestError
from keiki.core.random import Randomness
from keiki.core.registry import Registry
from keiki.data.augment.base import Augment, Mixing
from keiki.data.feeds import Feed
from keiki.data.task import Batch, Items, Modality, Target, TrainView
from keiki.nn.linear import LinearHead

if TYPE_CHECKING:
    from torch import Tensor, nn

FloatArray = npt.NDArray[np.float64]
Schedule = Literal["cosine", "linear", "one-cycle", "step", "plateau", "constant"]
PREDICT_BATCH = 32


@dataclass(frozen=True)
class Solve:
    """A phase in closed form: `run` changes the model and returns."""

    name: str
    run: Callable[[], None]


@dataclass(frozen=True)
class Group:
    """Parameters that learn at one rate.

    wakes: they lie still, as if frozen, until so many wake-ups have come (see `Descend.wake`).
    """

    parameters: Sequence[nn.Parameter]
    learning_rate: float
    weight_decay: float = 0.0
    name: str = ""
    wakes: int = 0


@dataclass(frozen=True)
class Move:
    """One player's move in a step: a loss and the parameters that follow its gradient."""

    loss: Callable[[Batch], Tensor]
    groups: Sequence[Group]


@dataclass(frozen=True)
class Descend:
    """A phase by gradients.

    Every step plays the moves in order on one batch of the feed. `validate`, if given, is asked before the first epoch
    and after each for the losses (N,) of the same N held-out items: the last state that they cannot tell from the best
    one is kept (`keiki.training.stopping`), and `patience` epochs without a better one end it; 0 keeps the last.

    until: epochs after which it ends all the same; the schedule is that of all `epochs`. wake: what wakes the next
    sleeping groups: every epoch that ends, or `patience` epochs without a better score; while any sleeps nothing ends
    the phase, and with each wake-up patience begins anew. ema: the weights that are validated and kept are a running
    mean of those that are trained, with this decay; 0 keeps the trained ones. still: a BatchNorm keeps its statistics
    even where its own weights move. pieces: a batch is computed in so many parts whose gradients add up, in less
    memory.
    """

    name: str
    moves: Sequence[Move]
    epochs: int
    feed: Stream
    until: int | None = None
    validate: Callable[[], FloatArray] | None = None
    patience: int = 0
    warmup_ratio: float = 0.1
    clip_norm: float = 0.0
    schedule: Schedule = "cosine"
    wake: Literal["epoch", "stall"] = "epoch"
    ema: float = 0.0
    still: bool = False
    pieces: int = 1
    before_epoch: Callable[[int], None] | None = None
    after_step: Callable[[], None] | None = None

    @property
    def steps(self) -> int:
        """Steps at most."""
        return max(1, self.epochs * self.feed.steps)


Phase = Solve | Descend


class Stream(Protocol):
    """Batches by epoch: the order follows from the random stream and the epoch alone; the first `start` are left out
    without being prepared."""

    steps: int

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]: ...


class Network(Protocol):
    """A torch module whose `body` maps named inputs to features (B, D) and whose `head` maps those to logits (B, C)."""

    body: nn.Module
    head: nn.Linear


@dataclass
class Model:
    """What is being adapted: a frozen backbone with a linear head, or a `network` that owns its weights.

    `out_of_fold` (N, C): logits for training items by models that had not seen them, NaN rows where there are none.
    `aside` are arrays that a method lays aside between its phases: they are kept in checkpoints with the rest.
    `facts` are JSON values that the method wants to be known: curves, what was chosen and why.
    """

    backbone: Backbone
    target: Target
    bank: FeatureBank
    transform_name: str
    head: LinearHead | None = None
    network: Any = None  # a torch module with .body and .head, see Network
    out_of_fold: FloatArray | None = None
    boundary: Boundary | None = None  # what the frozen stages answer, where that is kept
    rehearsal: Model | None = None  # the one that was fitted without a fold, where this one was fitted on all items
    aside: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def parts(self) -> list[tuple[str, dict[str, nn.Parameter]]]:
        """The stages of the network's body from input to output: name, and parameters by their names in the body."""
        from keiki.backbones.stages import stage_parameters

        body = self.network.body
        return [(stage.name, stage_parameters(body, stage)) for stage in self.backbone.stages()]

    @cached_property
    def source(self) -> nn.Module:
        """The body as it was before any training: a copy of its own that never moves, whatever was resumed.

        A step may be what asks for it first: building it leaves the random stream that dropout draws from as it was.
        """
        import torch

        with torch.random.fork_rng(devices=[]):  # it is built on the CPU
            body = self.backbone.module()
        return body.requires_grad_(False).to(self.network.device)

    def features(self, items: Items) -> Any:
        """Frozen features (N, D) of `items`: from the cache, or straight from the raws where that is quick."""
        if self.backbone.direct:
            return self.backbone.matrix(items.raws)
        return self.bank.extract(self.backbone, items, self.transform_name)

    def logits(self, items: Items) -> FloatArray:
        """Logits (N, C) for `items`."""
        if self.network is not None:
            return self._network_logits(items)
        if self.head is None:
            raise RequestError(
                f"The model on '{self.backbone.card.name}' has no head yet.", hint="Run its phases first."
            )
        return self.head.logits(self.features(items))

    def feed(
        self,
        items: Items,
        labels: npt.NDArray[np.int64],
        batch_size: int,
        *,
        shuffle: bool = True,
        augment: Augment | None = None,
        weights: npt.ArrayLike | None = None,
        mixing: Mixing | None = None,
        whole: bool = False,
    ) -> Feed | BoundaryFeed:
        """A stream of prepared items for the network; see `Feed`.

        Where a boundary is kept, items that the bank knows begin there, unless `whole`; their variants are those that
        are kept.
        """
        transform = self.backbone.transforms()[self.transform_name]
        plain = Feed(
            items, labels, transform, batch_size, shuffle=shuffle, augment=augment, weights=weights, mixing=mixing
        )
        if self.boundary is None or mixing is not None or whole:
            return plain
        if not self.bank.knows(items):
            return plain
        return BoundaryFeed(plain, self.boundary, varied=augment is not None)

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values from which `restore` makes an equal model of a freshly built one."""
        tensors = {} if self.network is None else self.network.state_dict()
        arrays = {f"network/{n}": t.detach().cpu().numpy() for n, t in tensors.items()}
        if self.head is not None:
            arrays |= {"head/weight": self.head.weight, "head/bias": self.head.bias}
        if self.out_of_fold is not None:
            arrays["out_of_fold"] = self.out_of_fold
        arrays |= {f"aside/{name}": array for name, array in self.aside.items()}
        return arrays, {"transform": self.transform_name, "facts": self.facts}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take over the state that `state` gave."""
        if self.network is not None:
            import torch

            if values["facts"].get("merged"):
                from keiki.nn.weight_changes import merge

                merge(self.network)  # as it was when its state was taken
            tensors = {n.removeprefix("network/"): a for n, a in arrays.items() if n.startswith("network/")}
            self.network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
        if "head/weight" in arrays:
            self.head = LinearHead(arrays["head/weight"], arrays["head/bias"])
        self.out_of_fold = arrays.get("out_of_fold")
        self.aside = {n.removeprefix("aside/"): np.array(a) for n, a in arrays.items() if n.startswith("aside/")}
        self.transform_name = values["transform"]
        self.facts = dict(values["facts"])

    def _network_logits(self, items: Items) -> FloatArray:
        from keiki.nn.network import feed_logits

        feed = self.feed(items, np.zeros(len(items), dtype=np.int64), PREDICT_BATCH, shuffle=False)
        return feed_logits(self.network, feed, len(items))

    def trained_parameters(self) -> int:
        """How many numbers were fitted to the labels."""
        if "trained_parameters" in self.facts:  # of descents, by what they moved
            return int(self.facts["trained_parameters"])
        if self.network is not None:
            return sum(p.numel() for p in self.network.parameters() if p.requires_grad)
        return 0 if self.head is None else int(self.head.weight.size + self.head.bias.size)


class Method(ABC):
    """Parent of all methods; the class docstring states idea, formula and source.

    tags: 'transfer' (uses pretrained knowledge) or 'control' (does not). quick: cheap enough to run always.
    max_items: at most so many items are used, None for all. needs: parts of a task that must be there.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    paper: ClassVar[str]
    title: ClassVar[str]  # what a report calls it: 'HOG + logistic regression'
    tags: ClassVar[frozenset[str]] = frozenset({"transfer"})
    modalities: ClassVar[frozenset[Modality]] = frozenset({"image", "text"})
    needs: ClassVar[frozenset[str]] = frozenset()
    quick: ClassVar[bool] = True
    gradient: ClassVar[bool] = False  # has Descend phases
    max_items: ClassVar[int | None] = None
    threads: ClassVar[int | None] = None  # None: those of the plan; 1 where a network is too small to share out
    Config: ClassVar[type[options.Config]] = options.Config

    def __init__(self, config: options.Config | None = None) -> None:
        self.config: Any = config if config is not None else self.Config()

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        """The backbone that this method works on, given the one that the user chose."""
        return chosen

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        """An untrained model on `backbone`; pretrained weights stay as they were."""
        return Model(backbone, target, bank, "" if backbone.direct else next(iter(backbone.transforms())))

    def refitted(self, model: Model, view: TrainView) -> Method | None:
        """What is to be fitted once more, on all items of `view`, now that `model` has shown when to stop; or None."""
        return None

    @abstractmethod
    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        """The phases, lazily, in reading order."""


METHODS: Registry[type[Method]] = Registry("method", "keiki.methods")


def make(name: str, values: Mapping[str, object] | None = None) -> Method:
    """The method `name` with options from JSON values; raises UnknownName."""
    kind = METHODS.get(name)
    return kind(kind.Config.from_json(values or {}))
