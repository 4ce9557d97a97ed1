"""keiki methods [NAME]"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keiki.cli import output

if TYPE_CHECKING:
    from keiki.methods.base import Method


def methods(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="one method, in full")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """List the methods, or show one: idea, source, what it needs, its options.

    \b
    Examples:
      keiki methods
      keiki methods linear-probe
    """
    from keiki.methods.base import METHODS

    if name is not None:
        _show(METHODS.get(name), as_json)
    elif as_json:
        output.emit_json({"methods": [facts(method) for method in METHODS.values()]})
    else:
        rows = [(each.name, each.family, ", ".join(sorted(each.tags)), each.title) for each in METHODS.values()]
        output.emit_table(("method", "family", "tags", "what it is"), rows)


def _show(method: type[Method], as_json: bool) -> None:
    if as_json:
        output.emit_json(facts(method))
        return
    output.emit(f"{method.name}: {method.title}\n")
    output.emit(inspect.cleandoc(method.__doc__ or ""))
    output.emit(f"\nsource: {method.paper}")
    output.emit(f"for:    {', '.join(sorted(method.modalities))}")
    output.emit(f"needs:  {', '.join(sorted(method.needs)) or 'nothing but labelled items'}")
    rows = facts(method)["options"]
    if rows:
        output.emit("\noptions (--set OPTION=VALUE):")
        output.emit_table(
            ("  option", "type", "default", "searched in", "meaning"),
            [(f"  {r['name']}", r["type"], str(r["default"]), r["search"] or "-", r["help"]) for r in rows],
        )


def facts(method: type[Method]) -> dict[str, Any]:
    """All that there is to say of a method, as plain JSON values."""
    from keiki.core.options import rows

    options = [
        {
            "name": row.name,
            "type": row.type,
            "default": list(row.default) if isinstance(row.default, tuple) else row.default,
            "search": None if row.search is None else str(row.search),
            "help": row.help,
        }
        for row in rows(method.Config)
    ]
    return {
        "name": method.name,
        "title": method.title,
        "family": method.family,
        "paper": method.paper,
        "tags": sorted(method.tags),
        "modalities": sorted(method.modalities),
        "needs": sorted(method.needs),
        "about": inspect.cleandoc(method.__doc__ or ""),
        "options": options,
    }
