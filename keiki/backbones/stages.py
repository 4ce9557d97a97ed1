"""The parts of any network from input to output, read from its own structure.

blocks  what stands in a stack: a Sequential, a ModuleList, or a module built around one (ConvNeXt's and Swin's stages)
stem    what stands before the first stack, with loose parameters (class token, positions)
head    what stands after the last stack
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keiki.backbones.base import Stage

if TYPE_CHECKING:
    from torch import nn

UNIT = 6  # a Sequential of at most so many plain layers is one unit (a stem, a shortcut), not a stack of blocks


@dataclass(frozen=True)
class _Unit:
    name: str
    in_stack: bool


def stages_of(module: nn.Module, inside: str = "") -> tuple[Stage, ...]:
    """Stages that together hold every parameter of `module` exactly once; read from its submodule `inside`.

    A stage's `modules` are names of submodules; a parameter that stands loose beside them is listed by its own name.

    >>> from torch import nn
    >>> block = lambda: nn.ModuleDict({"fc": nn.Linear(2, 2)})
    >>> blocks = nn.ModuleList([block(), block()])
    >>> net = nn.ModuleDict({"stem": nn.Linear(2, 2), "blocks": blocks, "norm": nn.LayerNorm(2)})
    >>> [stage.name for stage in stages_of(net)]
    ['stem', 'blocks.0', 'blocks.1', 'head']
    """
    prefix = f"{inside}." if inside else ""
    units = list(_units(module.get_submodule(inside), prefix, in_stack=False))
    stages = _grouped([unit for unit in units if _has_parameters(module, unit.name)], prefix)
    _check(module, stages)
    return stages


def stage_parameters(module: nn.Module, stage: Stage) -> dict[str, nn.Parameter]:
    """The parameters of one stage, by their names in `module`."""
    return {
        name: parameter
        for name, parameter in module.named_parameters()
        if any(name == each or name.startswith(f"{each}.") for each in stage.modules)
    }


def _units(module: nn.Module, prefix: str, in_stack: bool) -> Iterator[_Unit]:
    """The smallest parts that stages are made of, in order; loose parameters come before their siblings."""
    for name, _ in module.named_parameters(recurse=False):
        yield _Unit(prefix + name, in_stack)
    for name, child in module.named_children():
        if _is_stack(child):
            yield from _units(child, f"{prefix}{name}.", in_stack=True)
        else:
            yield _Unit(prefix + name, in_stack)


def _is_stack(module: nn.Module) -> bool:
    """Whether it is a list of parts, is built around a list of blocks, or has blocks of one class as attributes."""
    children = list(module.children())
    around_list = any(_is_list(child) and _all_blocks(list(child.children())) for child in children)
    return _is_list(module) or around_list or (_all_blocks(children) and len({type(child) for child in children}) == 1)


def _is_list(module: nn.Module) -> bool:
    from torch import nn

    if not isinstance(module, nn.Sequential | nn.ModuleList):
        return False
    parts = [child for child in module.children() if any(True for _ in child.parameters())]
    return any(map(_is_composite, parts)) or len(parts) > UNIT


def _all_blocks(modules: list[nn.Module]) -> bool:
    """Whether each is a block: it holds parts that have parts themselves, unlike a convolution with its norm."""
    return bool(modules) and all(any(map(_is_composite, module.children())) for module in modules)


def _is_composite(module: nn.Module) -> bool:
    return any(any(True for _ in child.parameters()) for child in module.children())


def _has_parameters(module: nn.Module, name: str) -> bool:
    return any(each == name or each.startswith(f"{name}.") for each, _ in module.named_parameters())


def _grouped(units: list[_Unit], prefix: str) -> tuple[Stage, ...]:
    """Before the first stacked unit: stem; after the last: head; loose units between join the block after them."""
    stacked = [i for i, unit in enumerate(units) if unit.in_stack]
    if not stacked:
        return tuple(Stage(unit.name.removeprefix(prefix), (unit.name,)) for unit in units)
    names = [unit.name for unit in units]
    first, last = stacked[0], stacked[-1]
    stages = [Stage("stem", tuple(names[:first]))] if first else []
    waiting: tuple[str, ...] = ()
    for unit in units[first : last + 1]:
        waiting += (unit.name,)
        if unit.in_stack:
            stages.append(Stage(unit.name.removeprefix(prefix), waiting))
            waiting = ()
    return tuple(stages + ([Stage("head", tuple(names[last + 1 :]))] if last + 1 < len(units) else []))


def _check(module: nn.Module, stages: tuple[Stage, ...]) -> None:
    held = Counter(name for stage in stages for name in stage_parameters(module, stage))
    expected = Counter(name for name, _ in module.named_parameters())
    assert held == expected, f"stages miss or repeat parameters: {(held - expected) + (expected - held)}"
