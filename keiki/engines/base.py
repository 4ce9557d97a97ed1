"""What runs a frozen graph: named arrays in, one array out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Engine(Protocol):
    """Runs one frozen graph. The same plan gives the same bits."""

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
        """Outputs (B, ...) for named inputs (B, ...)."""
        ...
