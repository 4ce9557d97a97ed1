"""From paths to a task: read, look at every item once, leave out what cannot be read, split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keiki.backbones.base import Backbone, load
from keiki.backbones.features import FeatureBank
from keiki.core.errors import RequestError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.health import check
from keiki.data.load import Pieces, read_pieces
from keiki.data.sources.base import Request
from keiki.data.split import Given
from keiki.data.task import Dataset, Items, Modality, Skipped
from keiki.methods.base import METHODS, Method
from keiki.pipeline.request import FitRequest

DEFAULTS: dict[Modality, str] = {"image": "efficientnet-lite0", "text": "minilm-l6"}


def read_all(request: FitRequest) -> Pieces:
    """Read all data that the request names."""
    files = Path(request.files) if request.files else None
    asked = Request(input=request.input, label=request.label, files=files, group=request.group)
    return read_pieces(request.data, val=request.val, test=request.test, request=asked)


def choose_backbone(request: FitRequest, modality: Modality) -> Backbone:
    """The backbone that was asked for, or the default of the modality."""
    backbone = load(DEFAULTS[modality] if request.backbone == "auto" else request.backbone)
    if not backbone.card.pretrained:
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


def choose_controls(request: FitRequest, modality: Modality) -> list[Method]:
    """The methods without transfer that this request runs beside its own."""
    if request.controls == "none":
        return []
    kinds = [kind for kind in METHODS.values() if "control" in kind.tags and modality in kind.modalities]
    return [kind() for kind in kinds if kind.quick or request.controls == "full"]


def look(
    pieces: Pieces,
    bank: FeatureBank,
    backbone: Backbone,
    controls: Sequence[Method],
    random: Randomness,
    record: Record,
) -> Pieces:
    """Decode every item once, keep the features that will be needed, and drop what cannot be read."""
    wanted = [backbone, *(control.bring(backbone, random) for control in controls if control.max_items is None)]
    asked = [(each, next(iter(each.transforms()))) for each in wanted if not each.direct]
    parts = [part for part in (pieces.data, pieces.val, pieces.test) if isinstance(part, Dataset)]
    for items in (*(_rows(part, test=False) for part in parts), *(_rows(part, test=True) for part in parts)):
        bank.register(items)
    for part in parts:
        bank.ensure(part.items, asked, facts=True)

    def readable(part: Given) -> Given:
        return _readable(part, bank, record) if isinstance(part, Dataset) else part

    return Pieces(_readable(pieces.data, bank, record), readable(pieces.val), readable(pieces.test))


def _rows(part: Dataset, *, test: bool) -> Items:
    """Declared test items get shards of their own, so that a sample of training items touches few shards."""
    return part.items.take([i for i, name in enumerate(part.parts) if (name == "test") == test])


def _readable(part: Dataset, bank: FeatureBank, record: Record) -> Dataset:
    facts = bank.facts(part.items, thumbnails=False)
    broken = [(i, Skipped(part.items.ids[i], fact.error)) for i, fact in enumerate(facts) if fact.error is not None]
    for _, skipped in broken:
        record.event("skipped", id=skipped.id, reason=skipped.reason)
    return check(part.without(broken))
