"""keiki export RUN"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiki.cli import output

if TYPE_CHECKING:
    from keiki.artifacts.bundle import Bundle
    from keiki.data.task import Raw

_MOST_SAMPLES = 16


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder or a bundle folder")],
    format: Annotated[str, typer.Option(metavar="NAME", help="what to write")] = "onnx",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="a folder that is not there yet; default RUN-FORMAT, here")
    ] = None,
    samples: Annotated[
        list[str], typer.Option(metavar="PATH", help="inputs to compare on; made up where none are given")
    ] = [],  # noqa: B006  # typer copies it
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Export a model for use without keiki.

    The export is compared with the model before it appears; where they differ, nothing is left behind.

    \b
    Examples:
      keiki export runs/last --format onnx
      keiki export runs/last --out photos-onnx --samples photos/
    """
    from keiki.artifacts.bundle import Bundle, followed
    from keiki.artifacts.formats.base import export as write

    bundle = Bundle.open(run)
    out = out or Path(f"{followed(run).resolve().name}-{format}")
    with tempfile.TemporaryDirectory() as scratch:
        certificate = write(bundle, format, out, _samples(bundle, samples, Path(scratch)))
    if as_json:
        output.emit_json({"out": str(out), "format": format, "parity": certificate.to_json()})
        return
    output.emit(f"export: {out}")
    output.emit(
        f"parity: largest difference of a logit {certificate.max_abs_difference:.1e}"
        f" over {certificate.n} inputs, same class on top"
    )


def _samples(bundle: Bundle, named: list[str], scratch: Path) -> list[Raw]:
    from keiki.artifacts.synthetic import make
    from keiki.serving.inputs import gather

    if not named:
        return make(bundle.modality, scratch, bundle.width)
    found = gather(named, bundle.modality, lambda: ())
    return [each.raw for each in found.items if each.raw is not None][:_MOST_SAMPLES]
