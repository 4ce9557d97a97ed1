"""Where things are kept that can be made anew: converted weights and graphs, cached features, facts about models."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "KEIKI_HOME"


def home() -> Path:
    """The cache folder: $KEIKI_HOME, else the system's place for caches. Need not exist yet."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else _system_cache() / "keiki"


def _system_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    variable, default = ("LOCALAPPDATA", "AppData/Local") if os.name == "nt" else ("XDG_CACHE_HOME", ".cache")
    return Path(os.environ.get(variable) or Path.home() / default)
