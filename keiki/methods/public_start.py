"""The same method from the public backbone: what a start of the user's own is worth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from keiki.backbones.base import Backbone
from keiki.backbones.features import FeatureBank
from keiki.core import options
from keiki.core.options import option
from keiki.core.random import Randomness
from keiki.data.task import Target, TrainView
from keiki.methods.base import METHODS, Method, Model, Phase, make


@METHODS.add("public-start")
class PublicStart(Method):
    """The method that a fit runs from the user's own model (`--from`), run from the public backbone under it.

    difference = score of the method from the own model - score of the method from the public backbone

    Everything else is equal: options, items, folds. It brings pretrained knowledge along, so it takes no part in the
    verdict on transfer; what it is set beside is the start alone. Source: the comparison of starting points at equal
    recipe, Kornblith et al. 2019, "Do Better ImageNet Models Transfer Better?", arXiv:1805.08974, section 3.
    """

    name = "public-start"
    family = "control"
    paper = "arXiv:1805.08974"
    title = "the same from the public start"
    tags = frozenset({"control", "start"})
    gradient = True

    @dataclass(frozen=True, kw_only=True)
    class Config(options.Config):
        like: str = option("linear-probe", "the method that is run, by its name")
        options: str = option("{}", "its options, as a JSON object")

    def __init__(self, config: options.Config | None = None) -> None:
        super().__init__(config)
        self.like = make(self.config.like, json.loads(self.config.options))

    @classmethod
    def beside(cls, method: Method) -> PublicStart:
        """The control that belongs to a fit by `method`."""
        return cls(cls.Config(like=method.name, options=json.dumps(method.config.to_json(), sort_keys=True)))

    def bring(self, chosen: Backbone, random: Randomness) -> Backbone:
        return self.like.bring(chosen.public, random)

    def build(self, backbone: Backbone, target: Target, bank: FeatureBank) -> Model:
        return self.like.build(backbone, target, bank)

    def refitted(self, model: Model, view: TrainView) -> Method | None:
        """The method's own second fit, from the public start too: the start of the user's own learns from all items."""
        again = self.like.refitted(model, view)
        return None if again is None else self.beside(again)

    def phases(self, model: Model, view: TrainView) -> Iterator[Phase]:
        yield from self.like.phases(model, view)
