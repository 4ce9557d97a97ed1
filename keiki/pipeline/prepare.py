"""From paths to a task: read, look at every item once, leave out what cannot be read, split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keiki.backbones.base import Backbone, load
from keiki.backbones.features import FeatureBank
from keiki.core.errors import RequestError
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.facts import Fact
from keiki.data.health import check
from keiki.data.sources.base import Request, read
from keiki.data.split import make_task
from keiki.data.task import Dataset, Modality, Skipped, Task
from keiki.methods.base import METHODS, Method
from keiki.pipeline.request import FitRequest

DEFAULTS: dict[Modality, str] = {"image": "efficientnet-lite0", "text": "minilm-l6"}


@dataclass(frozen=True)
class Pieces:
    """What was read: the main data, and validation and test data or the shares of them."""

    main: Dataset
    val: Dataset | float | None
    test: Dataset | float | None

    def parts(self) -> list[Dataset]:
        return [each for each in (self.main, self.val, self.test) if isinstance(each, Dataset)]


def read_pieces(request: FitRequest) -> Pieces:
    """Read all data that the request names."""
    files = Path(request.files) if request.files else None
    asked = Request(input=request.input, label=request.label, files=files, group=request.group)

    def piece(place: str | float | None) -> Dataset | float | None:
        return read(Path(place), asked) if isinstance(place, str) else place

    pieces = Pieces(read(Path(request.data), asked), piece(request.val), piece(request.test))
    for part in pieces.parts():
        if part.items.modality != pieces.main.items.modality:
            raise RequestError(
                f"'{part.name}' holds {part.items.modality}s, but '{pieces.main.name}' {pieces.main.items.modality}s."
            )
    return pieces


def choose_backbone(request: FitRequest, modality: Modality) -> Backbone:
    """The backbone that was asked for, or the default of the modality."""
    backbone = load(DEFAULTS[modality] if request.backbone == "auto" else request.backbone)
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
    for part in pieces.parts():
        bank.register(part.items)
    for part in pieces.parts():
        bank.ensure(part.items, asked, facts=True)

    def readable(part: Dataset | float | None) -> Dataset | float | None:
        return _readable(part, bank.facts(part.items, thumbnails=False), record) if isinstance(part, Dataset) else part

    main = _readable(pieces.main, bank.facts(pieces.main.items, thumbnails=False), record)
    return Pieces(main, readable(pieces.val), readable(pieces.test))


def split(pieces: Pieces, seed: int) -> Task:
    """The task: given parts honoured, else as the size of the data asks."""
    return make_task(pieces.main, val=pieces.val, test=pieces.test, seed=seed)


def _readable(part: Dataset, facts: Sequence[Fact], record: Record) -> Dataset:
    broken = [(i, Skipped(part.items.ids[i], fact.error)) for i, fact in enumerate(facts) if fact.error is not None]
    for _, skipped in broken:
        record.event("skipped", id=skipped.id, reason=skipped.reason)
    kept = part.without(broken)
    return check(kept)
