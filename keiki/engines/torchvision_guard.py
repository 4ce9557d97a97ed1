"""Torchvision beside a torch of another build: declare the operators that its library did not bring.

A torchvision wheel built for CUDA cannot load its compiled library beside a CPU-only torch. Its import then stops with
"operator torchvision::nms does not exist", and timm, transformers and sentence-transformers stop with it, hiding the
cause. Nothing here calls those operators: their schemas are enough for the import, and calling one still fails loudly.
Call `ensure()` before the first import of timm, transformers or torchvision.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
MISSING = re.compile(r"operator torchvision::(\w+) does not exist")

_declared: list[torch.library.Library] = []  # a Library that is collected takes its declarations along


@dataclass(frozen=True)
class Status:
    """What was found: 'sound', 'absent', 'repaired' (`detail` names the operators) or 'broken' (`detail` says why)."""

    state: Literal["sound", "absent", "repaired", "broken"]
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.detail}" if self.detail else self.state


@functools.cache
def ensure() -> Status:
    """Make `import torchvision` work where a missing operator alone stops it; does nothing where it is sound or absent.

    Imports torch and torchvision. Never raises: what cannot be repaired is returned as 'broken', with the reason.
    """
    if importlib.util.find_spec("torchvision") is None:
        return Status("absent")
    repaired: list[str] = []
    while True:
        try:
            importlib.import_module("torchvision")
        except (ImportError, RuntimeError, OSError, AttributeError) as error:
            operator = _missing_operator(error)
            if operator is None or operator in repaired:
                return Status("broken", f"{type(error).__name__}: {error}")
            _declare(operator)
            repaired.append(operator)
        else:
            return Status("repaired", ", ".join(repaired)) if repaired else Status("sound")


def _missing_operator(error: Exception) -> str | None:
    found = MISSING.search(str(error)) if isinstance(error, RuntimeError) else None
    return found.group(1) if found and found.group(1) in SCHEMAS else None


def _declare(operator: str) -> None:
    import torch

    untyped: Any = torch.library
    library = untyped.Library("torchvision", "FRAGMENT")
    library.define(SCHEMAS[operator])
    _declared.append(library)
