"""Features as they are: the rows themselves, standardised. Nothing pretrained is in them, as far as keiki knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from keiki.backbones.base import FAMILIES, Backbone, Card, Family, Features
from keiki.core.errors import RequestError, UnknownName
from keiki.core.files import digest
from keiki.data.task import Raw
from keiki.data.transforms.base import Transform
from keiki.data.transforms.vector import VectorTransform

NAME = "as-is"


@final
class AsIs(Backbone):
    """Rows of numbers, each column standardised by the training rows that it was fitted on.

    Preparing gives the features (B, D), so there is no graph and nothing worth caching; D is known once it is fitted.
    """

    direct = True

    def __init__(self, fitted: VectorTransform | None = None) -> None:
        self._fitted = fitted
        self.card = Card(
            name=NAME,
            family=NAME,
            modality="vector",
            width=fitted.width if fitted else 0,
            parameters=0,
            licence="Apache-2.0",
            origin="the numbers that came with the data",
            digest=digest(fitted.to_json() if fitted else {"kind": VectorTransform.kind}),
            pretrained=False,
        )

    def transforms(self) -> dict[str, Transform]:
        """The fitted standardisation; raises RequestError before `fitted` has seen training rows."""
        return {"standardised": self._standardisation()}

    def matrix(self, raws: Sequence[Raw]) -> Features:
        """float32 (N, D); raises DataError where a row has another number of features."""
        return self._standardisation().matrix(raws)

    def fitted(self, raws: Sequence[Raw]) -> AsIs:
        """The backbone with mean and scale of `raws`, whatever it knew before."""
        return AsIs(VectorTransform.fit(raws))

    def _standardisation(self) -> VectorTransform:
        if self._fitted is None:
            raise RequestError(f"Backbone '{NAME}' knows no columns yet.", hint="Call fitted(training rows) first.")
        return self._fitted


@FAMILIES.add(NAME)
class AsIsFamily(Family):
    """Any rows of numbers; one backbone, fitted on each training set."""

    prefix: ClassVar[str] = ""

    @classmethod
    def listed(cls) -> dict[str, str]:
        return {NAME: "rows of numbers; takes them as features, standardised"}

    @classmethod
    def load(cls, name: str) -> Backbone:
        if name != NAME:
            raise UnknownName("backbone", name, [NAME])
        return AsIs()
