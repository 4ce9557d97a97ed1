"""One seed, many named streams: what one part draws never shifts what another part draws."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Randomness:
    """Random generators by name.

    The state of a stream depends on the seed and its own name alone, so a resumed run, another number of workers or a
    new consumer elsewhere draws the same numbers.

    >>> a = Randomness(0).numpy("split").integers(1000)
    >>> b = Randomness(0).numpy("split").integers(1000)
    >>> bool(a == b)
    True
    """

    seed: int = 0

    def number(self, *name: str | int) -> int:
        """A 63-bit seed for the stream `name`, for libraries that want an integer."""
        text = "/".join(str(part) for part in (self.seed, *name))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def numpy(self, *name: str | int) -> np.random.Generator:
        """A fresh NumPy generator for the stream `name`."""
        return np.random.default_rng(self.number(*name))

    def child(self, *name: str | int) -> Randomness:
        """An own world of streams, for instance one for each fold."""
        return Randomness(self.number(*name))
