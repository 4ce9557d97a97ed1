"""The public backbone that a fit starts from: the one that was asked for, or the default of the modality."""

from __future__ import annotations

from keiki.backbones.base import Backbone, load
from keiki.core.errors import RequestError
from keiki.data.task import Modality

DEFAULTS: dict[Modality, str] = {"image": "efficientnet-lite0", "text": "minilm-l6", "vector": "as-is"}


def public_backbone(name: str, modality: Modality) -> Backbone:
    """The backbone `name`, 'auto' for the default; raises RequestError where it is of no use for such items."""
    backbone = load(DEFAULTS[modality] if name == "auto" else name)
    if not backbone.card.pretrained and modality != "vector":  # nobody knows where the user's own features are from
        raise RequestError(
            f"Backbone '{backbone.card.name}' brings nothing pretrained along; the controls use it.",
            hint=f"For {modality}s the default is '{DEFAULTS[modality]}'.",
        )
    if backbone.card.modality != modality:
        raise RequestError(
            f"Backbone '{backbone.card.name}' is for {backbone.card.modality}s, but the data are {modality}s.",
            hint=f"For {modality}s the default is '{DEFAULTS[modality]}'.",
        )
    return backbone
