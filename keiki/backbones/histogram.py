"""Counted colours and edge directions: what pictures give away without any pretraining. The strong, cheap control."""

from __future__ import annotations

from typing import ClassVar, final

from keiki.backbones.base import FAMILIES, Backbone, Card, Family
from keiki.core.errors import UnknownName
from keiki.core.files import digest
from keiki.data.transforms.base import Transform
from keiki.data.transforms.histogram import HistogramTransform

NAME = "histogram"


@final
class HistogramBackbone(Backbone):
    """Colour histogram and HOG. Preparing gives the features (B, D), so there is no graph and nothing to fit."""

    def __init__(self) -> None:
        self._transform = HistogramTransform()
        self.card = Card(
            name=NAME,
            family=NAME,
            modality="image",
            width=self._transform.width,
            parameters=0,
            licence="Apache-2.0",
            origin="computed from the pixels; Dalal and Triggs 2005",
            digest=digest(self._transform.to_json()),
            pretrained=False,
        )

    def transforms(self) -> dict[str, Transform]:
        return {"histogram": self._transform}


@FAMILIES.add(NAME)
class Histogram(Family):
    """Pixel statistics; one backbone."""

    prefix: ClassVar[str] = ""

    @classmethod
    def listed(cls) -> dict[str, str]:
        return {NAME: "pictures; counts colours and edge directions; a control without transfer"}

    @classmethod
    def load(cls, name: str) -> Backbone:
        if name != NAME:
            raise UnknownName("backbone", name, [NAME])
        return HistogramBackbone()
