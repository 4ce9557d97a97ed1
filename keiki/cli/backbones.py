"""keiki backbones [NAME]"""

from __future__ import annotations

from typing import Annotated

import typer

from keiki.cli import output


def backbones(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="one backbone, with its card")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """List the backbones that are on this machine, or show the card of one.

    Others are named timm:NAME or hf:ID_OR_FOLDER; those are downloaded where they are not on disk.

    \b
    Examples:
      keiki backbones
      keiki backbones efficientnet-lite0
    """
    from keiki.backbones.base import FAMILIES, load

    if name is not None:
        card = load(name).card.to_json()
        if as_json:
            output.emit_json(card)
        else:
            output.emit_table(("", ""), [(key.replace("_", " "), str(value)) for key, value in card.items()])
        return
    listed = [
        {"name": each, "family": family, "about": about}
        for family, kind in FAMILIES.items()
        for each, about in kind.listed().items()
    ]
    if as_json:
        output.emit_json({"backbones": listed})
    else:
        output.emit_table(("backbone", "family", "what it is"), [tuple(each.values()) for each in listed])
