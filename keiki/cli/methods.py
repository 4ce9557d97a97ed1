"""keiki methods [NAME]"""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keiki.cli import output

if TYPE_CHECKING:
    from keiki.core.options import Row
    from keiki.methods.base import Method

CONTROL = "control"  # the family that stands last
WIDTH = 100  # columns where there is no terminal


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
        output.emit_table(("method", "what it is", "for"), list(_listed(METHODS.values())))


def _listed(kinds: Iterable[type[Method]]) -> Iterator[tuple[str, str, str]]:
    """One line a method under its family; the controls come last."""
    found = list(kinds)
    for family in sorted({kind.family for kind in found}, key=lambda name: (name == CONTROL, name)):
        yield family, "", ""
        for kind in found:
            if kind.family == family:
                needs = f"; needs: {', '.join(sorted(kind.needs))}" if kind.needs else ""
                ships = "; ships where it wins" if "candidate" in kind.tags else ""
                yield f"  {kind.name}", kind.title, f"{', '.join(sorted(kind.modalities))}{needs}{ships}"


def _show(method: type[Method], as_json: bool) -> None:
    if as_json:
        output.emit_json(facts(method))
        return
    output.emit(f"{method.name}: {method.title}\n")
    output.emit(inspect.cleandoc(method.__doc__ or ""))
    output.emit(f"\nsource: {method.paper}")
    output.emit(f"for:    {', '.join(sorted(method.modalities))}")
    output.emit(f"needs:  {', '.join(sorted(method.needs)) or 'nothing but labelled items'}")
    own, shared = _options(method)
    for title, rows in (("its own options", own), ("options that it shares with other methods", shared)):
        if rows:
            output.emit(f"\n{title} (--set OPTION=VALUE):")
            output.emit("\n".join(_lines(rows, shutil.get_terminal_size((WIDTH, 24)).columns)))


def _options(method: type[Method]) -> tuple[list[Row], list[Row]]:
    """Options that the method adds to the class that its options come from, or has otherwise; and those of that class.

    A method without a Config of its own has all its options from there.
    """
    from keiki.core.options import rows

    found = rows(method.Config)
    common = rows(method.Config.__mro__[1]) if "Config" in vars(method) else found
    return [row for row in found if row not in common], [row for row in found if row in common]


def _lines(rows: Sequence[Row], width: int) -> Iterator[str]:
    """Each option with its default and meaning, wrapped under itself."""
    names, defaults = (max(len(cell) for cell in cells) for cells in zip(*map(_cells, rows), strict=True))
    for row in rows:
        name, default = _cells(row)
        start = f"  {name.ljust(names)}  {default.ljust(defaults)}  "
        told = textwrap.wrap(_meaning(row), max(30, width - len(start)), break_on_hyphens=False)
        yield "\n".join((start if i == 0 else " " * len(start)) + line for i, line in enumerate(told))


def _cells(row: Row) -> tuple[str, str]:
    return row.name, str(row.default)


def _meaning(row: Row) -> str:
    """What it means, its type, and where it may be searched if that says more."""
    searched = "" if row.search is None or str(row.search) == row.type else f"; searched in {row.search}"
    return f"{row.help} ({row.type}{searched})"


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
