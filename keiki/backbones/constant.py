"""No knowledge at all: the same feature for every item. What the class shares alone are worth is measured on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keiki.backbones.base import FAMILIES, Backbone, Card, Family, Features
from keiki.core.errors import UnknownName
from keiki.core.files import digest
from keiki.data.task import Modality, Raw
from keiki.data.transforms.base import Transform
from keiki.data.transforms.constant import ConstantTransform


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
        return {
            "constant-image": "nothing is known of a picture",
            "constant-text": "nothing is known of a text",
            "constant-vector": "nothing is known of a row",
        }

    @classmethod
    def load(cls, name: str) -> Backbone:
        kinds: dict[str, Modality] = {"constant-image": "image", "constant-text": "text", "constant-vector": "vector"}
        if name not in kinds:
            raise UnknownName("backbone", name, kinds)
        return Constant(kinds[name])
