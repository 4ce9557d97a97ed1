"""No knowledge at all: the same feature for every item. What the class shares alone are worth is measured on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from keiki.backbones.base import FAMILIES, Backbone, Card, Family, Features
from keiki.core.files import digest
from keiki.core.errors import UnknownName
from keiki.data.task import Modality, Raw
from keiki.data.transforms.base import TRANSFORMS, Array, Transform


@TRANSFORMS.add("constant")
@dataclass(frozen=True)
class ConstantTransform(Transform):
    """Every item becomes [0]."""

    kind = "constant"

    def prepare(self, raw: Raw) -> Array:
        return np.zeros(1, dtype=np.float32)

    def collate(self, prepared: Sequence[Array]) -> dict[str, Array]:
        return {"features": np.stack(list(prepared))}

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Self:
        return cls()


class Constant(Backbone):
    """Features (N, 1), all zero."""

    direct = True

    def __init__(self, modality: Modality) -> None:
        self.card = Card(
            name="constant",
            family="constant",
            modality=modality,
            width=1,
            parameters=0,
            licence="Apache-2.0",
            origin="keiki",
            digest=digest("constant"),
            pretrained=False,
        )

    def transforms(self) -> dict[str, Transform]:
        return {"constant": ConstantTransform()}

    def matrix(self, raws: Sequence[Raw]) -> Features:
        return np.zeros((len(raws), 1), dtype=np.float32)


@FAMILIES.add("constant")
class ConstantFamily(Family):
    """Any number of items, one feature."""

    prefix = ""

    @classmethod
    def listed(cls) -> dict[str, str]:
        return {"constant-image": "nothing is known of a picture", "constant-text": "nothing is known of a text"}

    @classmethod
    def load(cls, name: str) -> Backbone:
        kinds: dict[str, Modality] = {"constant-image": "image", "constant-text": "text"}
        if name not in kinds:
            raise UnknownName("backbone", name, kinds)
        return Constant(kinds[name])
