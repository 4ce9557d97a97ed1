"""Deterministic preprocessing: raw item -> arrays that an engine takes. One implementation for all who need it.

Training, predict, evaluate, export and server call the same object, restored from the same JSON.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from keiki.core.errors import UnreadableItem
from keiki.core.registry import Registry
from keiki.data.task import Raw

Array = npt.NDArray[np.generic]


class Transform(ABC):
    """How a raw item becomes arrays. Frozen: equal JSON means equal arrays.

    `prepare` handles one item and may be called from several threads; it raises UnreadableItem. `collate` stacks
    prepared items into the named inputs of a graph. `cost` of a prepared item is what batches are sorted by, so that
    items of like length share a batch (0 where all are equal); `by_cost` says that it differs at all.
    """

    kind: ClassVar[str]
    by_cost: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, raw: Raw) -> Array:
        """One raw item as an array; raises UnreadableItem with the reason."""

    @abstractmethod
    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        """Prepared items as the named inputs (B, ...) of the graph."""

    def cost(self, prepared: Array) -> int:
        """What a batch is sorted by."""
        return 0

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain values from which `from_json` makes an equal transform; 'kind' names the class."""

    def files(self) -> dict[str, bytes]:
        """Files that must travel with the JSON (a tokenizer), by name."""
        return {}

    @classmethod
    @abstractmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        """The transform described by `data`; its files lie in `folder`."""


TRANSFORMS: Registry[type[Transform]] = Registry("transform", "keiki.data.transforms")


def path_of(raw: Raw) -> Path:
    """The file of a picture; raises UnreadableItem for an item that is none."""
    if isinstance(raw, np.ndarray):
        raise UnreadableItem("a row of numbers, not a picture")
    return Path(raw)


def restore(data: Mapping[str, Any], folder: Path) -> Transform:
    """The transform described by the JSON `data`."""
    return TRANSFORMS.get(str(data["kind"])).from_json(data, folder)
