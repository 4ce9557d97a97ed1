"""keiki cache [--clear [--graphs] [--data]]"""

from __future__ import annotations

from typing import Annotated

import typer

from keiki.cli import output
from keiki.core.errors import RequestError


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove everything that no process is using")] = False,
    graphs: Annotated[bool, typer.Option("--graphs", help="with --clear: converted graphs as well")] = False,
    data: Annotated[bool, typer.Option("--data", help="with --clear: data given as Python objects too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show what is kept so that nothing is computed twice, or clear it.

    The environment variable KEIKI_CACHE names its folder, KEIKI_CACHE_GB how large features, results and unpacked files
    may become together. It does not hold for converted graphs, nor for the shelf: data given as Python objects, which
    runs refer to.

    \b
    Examples:
      keiki cache
      keiki cache --clear
    """
    if (graphs or data) and not clear:
        raise RequestError("--graphs and --data say what to clear as well.", hint="Use them with --clear.")
    from keiki.backbones.cache import open_cache

    store = open_cache()
    freed = store.clear(graphs, data) if clear else 0
    sizes = store.sizes()
    if as_json:
        output.emit_json(
            {"folder": str(store.root), "cap_bytes": store.cap_bytes, "freed_bytes": freed, "areas": sizes}
        )
        return
    if clear:
        output.emit(f"freed {size(freed)}")
    most = size(store.cap_bytes)
    output.emit(
        f"{store.root} (features, results and unpacked together at most {most}; graphs and shelf without limit)"
    )
    rows = [(area, str(each["entries"]), size(each["bytes"])) for area, each in sizes.items()]
    output.emit_table(("area", "entries", "size"), rows)


def size(n_bytes: int) -> str:
    """Bytes for people, in powers of 1024.

    >>> size(0), size(1536), size(3 * 2**30)
    ('0 B', '1.5 KiB', '3.0 GiB')
    """
    if n_bytes < 1024:
        return f"{n_bytes} B"
    value, units = n_bytes / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.1f} {units[0]}"
