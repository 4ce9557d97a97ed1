"""Where keiki keeps what it can make again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

CURE = "The cache needs a folder with room that can be written; to name another: export KEIKI_CACHE=FOLDER"


def cache_root(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The folder of everything that is kept between runs: KEIKI_CACHE, else the platform's folder for caches.

    >>> cache_root({"XDG_CACHE_HOME": "/home/ada/.cache"}, "linux").as_posix()
    '/home/ada/.cache/keiki'
    """
    environment = os.environ if environment is None else environment
    if named := environment.get("KEIKI_CACHE"):
        return Path(named).expanduser()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "keiki"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "keiki"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keiki"
