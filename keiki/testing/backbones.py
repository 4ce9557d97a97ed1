"""What every backbone promises. `check_backbone(backbone, folder)` runs all of it; the test suite runs each apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from keiki.backbones.base import FAMILIES, Backbone, Features, load
from keiki.backbones.cache import Cache
from keiki.backbones.stages import stage_parameters
from keiki.data.task import Modality, Raw
from keiki.engines.convert import relative_difference
from keiki.testing.bundles import TEXTS, paint
from keiki.testing.check import Checks, require

CHECKS = Checks()
TOLERANCE = 1e-5  # of the largest feature


@dataclass
class Opened:
    """A backbone with some raw items, and a cache for its graph."""

    name: str
    backbone: Backbone
    raws: Sequence[Raw]
    cache: Cache

    @property
    def has_network(self) -> bool:
        return type(self.backbone).module is not Backbone.module

    @cached_property
    def fitted(self) -> Backbone:
        return self.backbone.fitted(self.raws)

    @cached_property
    def together(self) -> Features:
        """Features (N, D) of all items in one batch."""
        return self.features(self.raws)

    def features(self, raws: Sequence[Raw]) -> Features:
        """Features (N, D) in one batch, the way that a fit computes them."""
        if self.fitted.direct:
            return _dense(self.fitted.matrix(raws))
        inputs = self.inputs(raws)
        graph = self.fitted.graph(self.fitted.transform, self.cache.graphs)
        if graph is None:
            return _dense(next(iter(inputs.values())))
        from keiki.engines.onnx import OnnxEngine

        return _dense(OnnxEngine(graph).run(inputs))

    def inputs(self, raws: Sequence[Raw]) -> dict[str, npt.NDArray[np.generic]]:
        transform = self.fitted.transform
        return transform.collate([transform.prepare(raw) for raw in raws])


def opened(name: str, backbone: Backbone, cache: Cache, folder: Path) -> Opened:
    """The backbone with items of its modality; pictures are painted under `folder`."""
    return Opened(name, backbone, some_raws(backbone.card.modality, folder), cache)


def some_raws(modality: Modality, folder: Path) -> Sequence[Raw]:
    """A few raw items of a modality; pictures are painted under `folder`."""
    if modality == "vector":
        return list(np.random.default_rng(0).normal(3, 2, size=(5, 4)).astype(np.float32))
    return paint(folder) if modality == "image" else TEXTS


def listed() -> list[str]:
    """Every backbone that can be opened here without a download."""
    return [name for family in FAMILIES.values() for name in family.listed()]


def check_backbone(name: str, cache: Cache, folder: Path) -> None:
    """Hold the backbone `name` to every promise; raises AssertionError with the first one that it breaks."""
    ground = opened(name, load(name), cache, folder)
    for check in CHECKS.all():
        check(ground)


@CHECKS.add
def its_card_is_complete(ground: Opened) -> None:
    card = ground.backbone.card
    require(card.name.replace("-", ":") in ground.name.replace("-", ":"), "the card has the listed name")
    require(bool(card.licence and card.origin and card.family), "licence, origin and family are stated")
    require(re.fullmatch("[0-9a-f]{64}", card.digest) is not None, "the digest is a SHA-256")
    require(card.modality != "text" or not card.pretrained or bool(card.language), "a text network says its language")
    require(card.to_json()["name"] == card.name, "the card is plain JSON")


@CHECKS.add
def its_card_is_true(ground: Opened) -> None:
    card = ground.fitted.card
    require(ground.together.shape == (len(ground.raws), card.width), f"features are {card.width} wide")
    require(bool(np.isfinite(ground.together).all()), "features are finite")
    if ground.has_network:
        counted = sum(parameter.numel() for parameter in ground.backbone.module().parameters())
        require(card.parameters == counted, f"it has {counted} parameters, and says {card.parameters}")


@CHECKS.add
def loading_twice_gives_the_same_card(ground: Opened) -> None:
    require(load(ground.name).card == ground.backbone.card, "the card does not depend on when it is loaded")


@CHECKS.add
def it_has_a_default_transform(ground: Opened) -> None:
    ways = ground.fitted.transforms()
    require(len(ways) > 0 and ground.fitted.transform.to_json() == next(iter(ways.values())).to_json(), "the first one")
    require(len({str(way.to_json()) for way in ways.values()}) == len(ways), "no two ways are the same")


@CHECKS.add
def one_item_alone_equals_itself_in_a_batch(ground: Opened) -> None:
    alone = np.concatenate([ground.features([raw]) for raw in ground.raws[:3]])
    gap = float(np.abs(ground.together[:3] - alone).max())
    require(gap <= TOLERANCE * max(float(np.abs(ground.together).max()), 1e-12), f"alone or in a batch: {gap}")


@CHECKS.add
def different_items_have_different_features(ground: Opened) -> None:
    if ground.backbone.card.width != 1:
        require(bool(np.abs(ground.together[0] - ground.together[-1]).max() > 0), "it tells items apart")


@CHECKS.add
def stages_hold_each_parameter_once(ground: Opened) -> None:
    if not ground.has_network:
        return
    module = ground.backbone.module()
    held = Counter(name for stage in ground.backbone.stages() for name in stage_parameters(module, stage))
    require(held == Counter(name for name, _ in module.named_parameters()), "no parameter is missing, none twice")
    require(
        len({stage.name for stage in ground.backbone.stages()}) == len(ground.backbone.stages()), "names are unique"
    )


@CHECKS.add
def the_graph_answers_like_the_module(ground: Opened) -> None:
    if not ground.has_network or ground.backbone.graph(ground.backbone.transform, ground.cache.graphs) is None:
        return
    from keiki.engines.torch import TorchEngine

    expected = TorchEngine(ground.backbone.module()).run(ground.inputs(ground.raws))
    gap = relative_difference(ground.together, _dense(expected))
    require(gap <= TOLERANCE, f"the graph and the module differ by {gap:.1e} of the largest feature")


@CHECKS.add
def answering_changes_nothing_in_the_module(ground: Opened) -> None:
    if not ground.has_network:
        return
    import torch

    module = ground.backbone.module()
    require(not module.training, "a module comes in eval mode")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    inputs = {name: torch.from_numpy(np.array(array)) for name, array in ground.inputs(ground.raws[:2]).items()}
    with torch.no_grad():
        module(**inputs)
    for name, tensor in module.state_dict().items():
        require(bool((tensor == before[name]).all()), f"'{name}' has not moved")


@CHECKS.add
def random_weights_are_other_weights_and_always_the_same(ground: Opened) -> None:
    if not ground.has_network or not ground.backbone.card.pretrained:
        return
    first, again, other = (ground.backbone.randomised(seed) for seed in (0, 0, 1))
    require(not first.card.pretrained, "random weights are not called pretrained")
    require(first.card.digest == again.card.digest, "a seed has one digest")
    require(
        len({first.card.digest, other.card.digest, ground.backbone.card.digest}) == 3, "other weights, other digest"
    )
    weights, twice = first.module().state_dict(), again.module().state_dict()
    pretrained = ground.backbone.module().state_dict()
    require(weights.keys() == pretrained.keys(), "it is the same architecture")
    require(all(bool((weights[name] == twice[name]).all()) for name in weights), "a seed has one set of weights")
    require(
        any(bool((weights[name] != pretrained[name]).any()) for name in weights), "they are not the pretrained ones"
    )


def _dense(features: object) -> Features:
    dense = features.toarray() if hasattr(features, "toarray") else features
    rows = np.asarray(dense, dtype=np.float32)
    return rows.reshape(len(rows), -1)
