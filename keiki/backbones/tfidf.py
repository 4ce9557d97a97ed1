"""Counted words and character runs: what texts give away without any pretraining. The strong, cheap control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, final

from keiki.backbones.base import FAMILIES, Backbone, Card, Family
from keiki.core.errors import RequestError, UnknownName
from keiki.core.files import digest
from keiki.data.task import Raw
from keiki.data.transforms.base import Transform
from keiki.data.transforms.ngrams import NgramTransform

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NAME = "tfidf"


@final
class TfidfBackbone(Backbone):
    """TF-IDF of words and character n-grams; its vocabulary comes from the unlabelled training texts.

    Preparing gives the features (B, V), so there is no graph; V is known once it is fitted.
    """

    direct = True

    def __init__(self, fitted: NgramTransform | None = None) -> None:
        self._fitted = fitted
        self.card = Card(
            name=NAME,
            family=NAME,
            modality="text",
            width=fitted.width if fitted else 0,
            parameters=0,
            licence="Apache-2.0",
            origin="counted in the training texts; Salton and Buckley 1988",
            digest=digest(fitted.to_json() if fitted else {"kind": NgramTransform.kind}),
            pretrained=False,
        )

    def transforms(self) -> dict[str, Transform]:
        """The fitted n-grams; raises RequestError before `fitted` has seen training texts."""
        return {"ngrams": self._ngrams()}

    def _ngrams(self) -> NgramTransform:
        if self._fitted is None:
            raise RequestError("Backbone 'tfidf' has no vocabulary yet.", hint="Call fitted(training texts) first.")
        return self._fitted

    def matrix(self, raws: Sequence[Raw]) -> csr_array:
        """float32 (N, V), sparse."""
        return self._ngrams().matrix([str(raw) for raw in raws])

    def fitted(self, raws: Sequence[Raw]) -> TfidfBackbone:
        """The backbone whose terms are those of `raws`, whatever it knew before."""
        return TfidfBackbone(NgramTransform.fit([str(raw) for raw in raws]))


@FAMILIES.add(NAME)
class Tfidf(Family):
    """Term counts; one backbone, fitted on each training set."""

    prefix: ClassVar[str] = ""

    @classmethod
    def listed(cls) -> dict[str, str]:
        return {NAME: "texts; counts words and character runs; a control without transfer"}

    @classmethod
    def load(cls, name: str) -> Backbone:
        if name != NAME:
            raise UnknownName("backbone", name, [NAME])
        return TfidfBackbone()
