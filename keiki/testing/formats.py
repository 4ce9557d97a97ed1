"""What every export format promises. `check_format(name, bundle, samples, folder)` runs all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.formats.base import CERTIFICATE, FORMATS, export
from keiki.artifacts.parity import TOLERANCE
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import ParityError, RequestError
from keiki.core.files import read_json
from keiki.data.task import Modality, Raw
from keiki.testing.bundles import image_handover, text_handover, vector_handover
from keiki.testing.check import Checks, require

CHECKS = Checks()


@dataclass(frozen=True)
class Exported:
    """A bundle, items to compare on, and a folder to export into."""

    bundle: Bundle
    samples: Sequence[Raw]
    folder: Path


def exported(modality: Modality, folder: Path) -> Exported:
    """A small bundle under `folder`, with its witnesses as samples."""
    makers = {"text": text_handover, "image": lambda: image_handover(folder), "vector": vector_handover}
    handover = makers[modality]()
    write_bundle(folder / "bundle", handover)
    return Exported(Bundle.open(folder / "bundle"), handover.witness.raws, folder)


def check_format(name: str, ground: Exported) -> None:
    """Hold the format `name` to every promise; raises AssertionError with the first one that it breaks."""
    for check in CHECKS.all():
        check(ground, name)


@CHECKS.add
def it_says_what_it_writes(ground: Exported, name: str) -> None:
    kind = FORMATS.get(name)
    require(kind.name == name and len(kind.about) > 20, "it has its registered name and a line about it")


@CHECKS.add
def exported_predictions_equal(ground: Exported, name: str) -> None:
    out = ground.folder / f"{name}-equal"
    found = export(ground.bundle, name, out, ground.samples)
    require(found.n == len(ground.samples) and found.max_abs_difference <= TOLERANCE, "logits are equal within 1e-4")
    require(found.same_top_class and len(found.batch_sizes) > 1, "same top class, in batches of several sizes")
    require(read_json(out / CERTIFICATE)["max_abs_difference"] == found.max_abs_difference, "the certificate is kept")


@CHECKS.add
def the_thresholds_travel_with_the_export(ground: Exported, name: str) -> None:
    out = ground.folder / f"{name}-thresholds"
    export(ground.bundle, name, out, ground.samples)
    texts = [file.read_text(encoding="utf-8") for file in out.glob("*.json")]
    for part in ("asked_accuracy", "expected_unfamiliar", "meaning"):
        require(any(part in text for text in texts), f"'{part}' stands in a file that any language can read")


@CHECKS.add
def an_export_that_fails_leaves_nothing(ground: Exported, name: str) -> None:
    out = ground.folder / f"{name}-none"
    before = sorted(ground.folder.iterdir())
    try:
        export(ground.bundle, name, out, [])
    except ParityError:
        require(sorted(ground.folder.iterdir()) == before, "nothing is left behind")
    else:
        raise AssertionError("an export that was compared on nothing is refused")


@CHECKS.add
def a_full_folder_is_refused(ground: Exported, name: str) -> None:
    out = ground.folder / f"{name}-full"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    try:
        export(ground.bundle, name, out, ground.samples)
    except RequestError:
        require([each.name for each in out.iterdir()] == ["mine.txt"], "what was there is untouched")
    else:
        raise AssertionError("a folder that is not empty is refused")


@CHECKS.add
def an_export_names_no_place_of_this_machine(ground: Exported, name: str) -> None:
    out = ground.folder / f"{name}-clean"
    export(ground.bundle, name, out, ground.samples)
    home = json.dumps(str(ground.folder))[1:-1].encode()
    for file in out.rglob("*"):
        require(file.is_dir() or home not in file.read_bytes(), f"'{file.name}' holds no path of this machine")
