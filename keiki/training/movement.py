"""How far a network has moved from where it started, part by part.

    distance   ||w - w0||_2 over the numbers of a part, with w0 of the pretrained source
    relative   ||w - w0||_2 / ||w0||_2
    statistics the relative distance of the running means and variances of the part's BatchNorms, apart from its weights

A weight that is computed from others (`torch.nn.utils.parametrize`) is compared by its effective value. What the source
does not have (adapters, low-rank updates, the head of the task) is counted as added and has no distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from keiki.backbones.stages import stage_parameters
from keiki.methods.base import Model
from keiki.nn.weight_changes import plain_name

HEAD = "head of the task"
BODY = "body."  # prefix of the pretrained part among the network's parameters
HEADS = ("neck.", "head.")  # of the task
OUTSIDE = "beside the stages"  # what was added to no stage: a second head, for instance
STATISTICS = ("running_mean", "running_var")
Squares = tuple[float, float]  # of the way, and of the place where it began


def movement(model: Model) -> dict[str, Any]:
    """Every stage of the body and the head: how much of it could move, and how far it is from the source.

    Wants `model.facts["moved"]`: the names of the network's parameters that some phase could move. JSON values:
    {"stages": [{"name", "parameters", "moving", "added", "distance", "relative", "statistics"}, ..., the head],
     "added": [names], "distance", "relative"}; None where there is nothing to compare, or nothing to divide by.
    parameters, moving and added count numbers. Where changes were merged into weights, it is these that have moved.
    """
    body, source = model.network.body, model.source
    sizes = {name: p.numel() for name, p in model.network.named_parameters()}
    own = {name for name in sizes if name.startswith(BODY)}
    known = {BODY + name for name, _ in source.named_parameters()}
    added = {name for name in own if name not in known and not _is_original(name)}
    counts = _Counts(sizes, frozenset(model.facts["moved"]), frozenset(added | (set(sizes) - own)))
    total, stages, left = (0.0, 0.0), [], set(own)
    for stage in model.backbone.stages():
        here = {name for name in left if _within(plain_name(name.removeprefix(BODY)), stage.modules)}
        left -= here
        weights = _way(body, source, stage_parameters(source, stage))
        total = (total[0] + weights[0], total[1] + weights[1])
        stages.append(_line(stage.name, counts.of(here), weights, _statistics(body, source, stage.modules)))
    head = {name for name in sizes if name.startswith(HEADS)}
    left |= set(sizes) - own - head
    if left:
        stages.append(_line(OUTSIDE, counts.of(left)))
    stages.append(_line(HEAD, counts.of(head)))
    names = sorted(name.removeprefix(BODY) for name in added)
    return {"stages": stages, "added": names, "distance": math.sqrt(total[0]), "relative": _relative(total)}


@dataclass(frozen=True)
class _Counts:
    """Sizes of the network's parameters by name, the names of those that could move, and of those that are new."""

    sizes: Mapping[str, int]
    moved: frozenset[str]
    added: frozenset[str]

    def of(self, here: set[str]) -> dict[str, int]:
        """Of the parameters with these names: how many numbers, how many of them could move, how many are new."""
        parts = {"parameters": here, "moving": here & self.moved, "added": here & self.added}
        return {what: sum(self.sizes[name] for name in names) for what, names in parts.items()}


def _line(
    name: str, counts: dict[str, int], weights: Squares | None = None, statistics: Squares | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        **counts,
        "distance": None if weights is None else math.sqrt(weights[0]),
        "relative": None if weights is None else _relative(weights),
        "statistics": None if statistics is None else _relative(statistics),
    }


def _way(body: nn.Module, source: nn.Module, names: Iterable[str]) -> Squares:
    """Squared length of the way from source to body over the named tensors, and of the source itself."""
    way = begun = 0.0
    for name in names:
        before = _effective(source, name).detach().double().cpu()
        after = _effective(body, name).detach().double().cpu()
        way += float((after - before).square().sum())
        begun += float(before.square().sum())
    return way, begun


def _statistics(body: nn.Module, source: nn.Module, modules: tuple[str, ...]) -> Squares | None:
    names = [
        name for name, _ in source.named_buffers() if name.rpartition(".")[2] in STATISTICS and _within(name, modules)
    ]
    return _way(body, source, names) if names else None


def _relative(squares: Squares) -> float | None:
    way, begun = squares
    return math.sqrt(way / begun) if begun > 0 else None


def _effective(module: nn.Module, name: str) -> Tensor:
    """The tensor called `name` as the forward pass sees it."""
    owner, _, attribute = name.rpartition(".")
    found: Tensor = getattr(module.get_submodule(owner), attribute)
    return found


def _is_original(name: str) -> bool:
    return plain_name(name) != name and name.endswith(".original")


def _within(name: str, modules: Iterable[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in modules)
