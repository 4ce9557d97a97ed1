"""Batches from arrays that are in memory already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from keiki.core.random import Randomness
from keiki.data.task import Batch, Index


@dataclass
class ArrayFeed:
    """Shuffled batches of named arrays (N, ...); `load` is called on first use, so that making a feed costs nothing.

    The order of an epoch depends on the random stream and the epoch alone.
    """

    load: Callable[[], Mapping[str, npt.NDArray[np.float32]]]
    labels: Index
    batch_size: int
    steps: int = field(init=False)

    def __post_init__(self) -> None:
        self.steps = max(1, len(self.labels) // self.batch_size)

    @cached_property
    def arrays(self) -> Mapping[str, npt.NDArray[np.float32]]:
        return self.load()

    def batches(self, epoch: int, random: Randomness, start: int = 0) -> Iterator[Batch]:
        """`steps` batches less the first `start`; what is left over after an even division is spread over them."""
        order = random.numpy("order", epoch).permutation(len(self.labels))
        for at in np.array_split(order, self.steps)[start:]:
            yield Batch({name: array[at] for name, array in self.arrays.items()}, self.labels[at], at)
