"""The knowledge brought along: a frozen network, its card, its stages. Knows no labels, heads or losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from keiki.core.errors import RequestError, UnknownName
from keiki.core.registry import Registry
from keiki.data.task import Modality, Raw
from keiki.data.transforms.base import Array, Transform
from keiki.nn.linear import LinearHead

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Card:
    """What is known of a backbone; travels with every model made from it."""

    name: str
    family: str
    modality: Modality
    width: int  # D of the features; 0 where fitting decides it
    parameters: int
    licence: str
    origin: str
    digest: str  # SHA-256 of the weights; of the definition where there are none
    language: str = ""  # texts: the languages it was trained on; "" for pictures
    pretrained: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Stage:
    """A run of modules from input to output: the one handle for freezing, rates, unfreezing and cached boundaries.

    `modules` are names inside `module()`; together the stages cover every parameter exactly once.
    """

    name: str
    modules: tuple[str, ...]


@dataclass(frozen=True)
class SourceHead:
    """The classifier that a network was pretrained with: class names, and a linear head on what `module()` gives."""

    classes: tuple[str, ...]
    head: LinearHead


class Backbone(ABC):
    """A network that turns prepared items into features (B, D)."""

    card: Card
    direct: bool = False  # True: `matrix` gives the features of raws at once, and nothing is worth caching

    @abstractmethod
    def transforms(self) -> dict[str, Transform]:
        """The ways an item may be prepared, by name; the first is the default."""

    @property
    def transform(self) -> Transform:
        """The default preprocessing."""
        return next(iter(self.transforms().values()))

    @property
    def network_width(self) -> int:
        """D of what `module()` returns."""
        return self.card.width

    def fitted(self, raws: Sequence[Raw]) -> Backbone:
        """This backbone after looking at unlabelled training items; pretrained networks need no look."""
        return self

    def matrix(self, raws: Sequence[Raw]) -> Any:
        """Features (N, D) straight from raws, dense or scipy.sparse; only where `direct`."""
        raise RequestError(f"Backbone '{self.card.name}' has no direct features.")

    # Networks: families with weights override these.

    def module(self) -> nn.Module:
        """The network as a fresh torch module in eval mode: named inputs -> features (B, D)."""
        raise RequestError(
            f"Backbone '{self.card.name}' has no network to train.",
            hint="Choose one with weights: keiki backbones",
        )

    def stages(self) -> tuple[Stage, ...]:
        """The parts of `module()` from input to output."""
        return ()

    def source_head(self) -> SourceHead | None:
        """The classifier of the source task; None where the weights hold none, or none that is linear in the features.

        Encoders of sentences have none: they were trained to bring like texts together, not to name them.
        """
        return None

    # Models of the user's own stand on a public network; public ones stand on themselves.

    @property
    def public(self) -> Backbone:
        """The public backbone that this one was made from: itself, unless it carries something of the user's own."""
        return self

    @property
    def body(self) -> Backbone:
        """The backbone whose frozen features and graph these are: another one where nothing but the head is its own."""
        return self

    def own_weights(self) -> dict[str, Array]:
        """Tensors of `module()` that cannot be loaded again by a public name, so that a bundle must carry them."""
        return {}

    def examples(self, transform: Transform) -> tuple[dict[str, Array], dict[str, Array]]:
        """Two sets of the network's named inputs that differ in every size that may vary (batch, length)."""
        raise RequestError(f"Backbone '{self.card.name}' has no network that could be converted.")

    def graph(self, transform: Transform, folder: Path) -> Path | None:
        """The ONNX graph of the frozen network, converted once and kept in `folder` by weights digest.

        None where preparing alone gives the features.
        """
        return None

    def randomised(self, seed: int) -> Backbone:
        """The same architecture with random weights: what the architecture alone is worth."""
        raise RequestError(f"Backbone '{self.card.name}' has no weights that could be random.")


class Family(ABC):
    """How one kind of backbone is found and opened."""

    prefix: ClassVar[str]  # 'timm' in timm:NAME; "" where names need none

    @classmethod
    @abstractmethod
    def listed(cls) -> dict[str, str]:
        """Names that can be opened on this machine without a download, each with one line about it."""

    @classmethod
    @abstractmethod
    def load(cls, name: str) -> Backbone:
        """The backbone `name` (without prefix)."""


FAMILIES: Registry[type[Family]] = Registry("backbone family", "keiki.backbones")


def load(name: str) -> Backbone:
    """The backbone called `name`: a listed name, timm:NAME or hf:ID_OR_FOLDER; raises UnknownName.

    Only a prefixed name may use the network, and only where the weights are not on disk.
    """
    prefix, colon, rest = name.partition(":")
    families = list(FAMILIES.values())
    if colon:
        for family in families:
            if family.prefix == prefix:
                return family.load(rest)
        raise UnknownName("backbone prefix", prefix, [family.prefix for family in families if family.prefix])
    for family in families:
        if name in family.listed():
            return family.load(name)
    raise UnknownName("backbone", name, [each for family in families for each in family.listed()])
