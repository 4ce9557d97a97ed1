"""What takes seconds to make from a model (facts, converted weights), kept beside the converted graphs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keiki.core.files import digest, read_json, write_json
from keiki.core.places import cache_root


def place(area: str) -> Path:
    """The folder for things of one kind; `keiki cache --clear --graphs` removes it too. Need not exist yet."""
    return cache_root(os.environ) / "graphs" / area


def remembered(key: Mapping[str, Any], find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """`find()`, or what it answered before for an equal `key`; the key must name all that the answer depends on."""
    path = place("facts") / f"{digest(key)[:32]}.json"
    try:
        kept = read_json(path)
    except (FileNotFoundError, json.JSONDecodeError):
        kept = None
    if isinstance(kept, dict) and kept.get("key") == dict(key):
        return dict(kept["facts"])
    facts = find()
    write_json(path, {"key": dict(key), "facts": facts})
    return facts
