"""Which layers of a network a method works on: all of a kind, or those that bear wanted names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keiki.core.errors import OptionError, UnknownName
from keiki.methods.base import Model
from keiki.methods.freezing import first_moving

if TYPE_CHECKING:
    from keiki.nn.weight_changes import Layer

AUTO = "auto"


def moving_parts(model: Model, freeze: str) -> dict[str, list[str]]:
    """Names of the parameters of each stage that may move; raises OptionError where none may."""
    parts = model.parts()
    lowest = first_moving(freeze, [name for name, _ in parts])
    if lowest == len(parts):
        raise OptionError(
            f"Option 'freeze' is '{freeze}': no stage is left for a method that changes the pretrained network.",
            hint="Use --method linear-probe for a head alone, or --set freeze=none.",
        )
    return {name: list(parameters) for name, parameters in parts[lowest:]}


def moving_layers(model: Model, freeze: str) -> list[Layer]:
    """Linear layers, convolutions, attention projections and norms of the stages that may move."""
    from keiki.nn.weight_changes import layers

    return layers(model.network.body, {name for names in moving_parts(model, freeze).values() for name in names})


def wanted(layers: list[Layer], targets: str) -> list[Layer]:
    """The layers in whose names one of `targets` stands, fragments of whole dotted parts; all of them for 'auto'.

    'query' and 'layer.0' both stand in encoder.layer.0.attention.self.query; 'que' does not. Raises UnknownName for a
    fragment that stands in none, with the parts that there are.
    """
    if targets == AUTO:
        return layers
    fragments = [fragment.strip() for fragment in targets.split(",") if fragment.strip()]
    if not fragments:
        raise OptionError("Option 'targets' names no layer.", hint="Give names with commas between, or auto.")
    for fragment in fragments:
        if not any(_stands_in(fragment, layer) for layer in layers):
            raise UnknownName("target", fragment, {part for layer in layers for part in _parts(layer)})
    return [layer for layer in layers if any(_stands_in(fragment, layer) for fragment in fragments)]


def _stands_in(fragment: str, layer: Layer) -> bool:
    return f".{fragment}." in f".{layer.name}."


def _parts(layer: Layer) -> list[str]:
    """The parts of a layer's name that are words: numbers of blocks would fill the list."""
    return [part for part in layer.name.split(".") if not part.isdigit()]
