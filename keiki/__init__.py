"""Transfer learning from a small labelled data set to a model with the proof that transfer helped.

    import keiki

    run = keiki.fit("photos/")                     # as `keiki fit photos/`
    model = keiki.load("runs/last")                # a run or a bundle
    model.predict(["photo.jpg"]).labels

Nothing is imported before it is used: `import keiki` costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keiki.artifacts.bundle import load as load
    from keiki.pipeline.fit import fit as fit

    __version__: str

_HOMES = {"fit": "keiki.pipeline.fit", "load_task": "keiki.data.load", "load": "keiki.artifacts.bundle"}

__all__ = ["__version__", "fit", "load", "load_task"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'keiki' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__


def _version() -> str:
    """The installed version; of a folder of sources that is not installed, '0+source'."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("keiki")
    except PackageNotFoundError:
        return "0+source"
