"""Facts about a model that take seconds to find out (import, build, count), kept so that the next run just reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from keiki.core.files import digest, read_json, write_json
from keiki.core.home import home


def remembered(key: Mapping[str, Any], find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """`find()`, or what it answered before for an equal `key`; the key must name all that the answer depends on."""
    path = home() / "facts" / f"{digest(key)[:32]}.json"
    try:
        kept = read_json(path)
    except (FileNotFoundError, json.JSONDecodeError):
        kept = None
    if isinstance(kept, dict) and kept.get("key") == dict(key):
        return dict(kept["facts"])
    facts = find()
    write_json(path, {"key": dict(key), "facts": facts})
    return facts
