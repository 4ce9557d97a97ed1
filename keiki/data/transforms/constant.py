"""Nothing of an item: what the class shares alone are worth is measured on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from keiki.data.task import Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform


@TRANSFORMS.add("constant")
@dataclass(frozen=True)
class ConstantTransform(Transform):
    """Every item becomes [0]."""

    kind: ClassVar[str] = "constant"

    def prepare(self, raw: Raw) -> Array:
        return np.zeros(1, dtype=np.float32)

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        return {"features": np.stack(list(prepared))}

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        return cls()
