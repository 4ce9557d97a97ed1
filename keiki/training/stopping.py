"""Early stopping: which state to keep, and when to stop because none has been better for a while."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keiki.methods.paired import is_worse
from keiki.nn.softmax import FloatArray


@dataclass
class Stopping:
    """Watches the losses (N,) of the same held-out items after every epoch.

    Kept is the last state that is not worse than the best one by more than a standard error: few items cannot tell
    such states apart, and toward the end of a schedule the weights come to rest. The state before the first epoch is
    kept only where no other has a lower mean.

    >>> watch = Stopping(patience=2)
    >>> [watch.keeps(np.array(losses)) for losses in ([3, 3], [1, 1], [0, 3], [2, 2])], watch.exhausted
    ([True, True, True, False], True)
    """

    patience: int
    best: FloatArray | None = None  # losses of the state whose mean is the lowest
    improved: bool = False  # whether any state was better than the first
    waited: int = 0

    def keeps(self, losses: FloatArray) -> bool:
        """Whether the state with these losses is the one to keep so far; losses that are no numbers never are."""
        if self.best is None or losses.mean() < self.best.mean():
            self.improved = self.best is not None
            self.best, self.waited = losses, 0
            return True
        self.waited += 1
        return self.improved and bool(np.isfinite(losses).all()) and not is_worse(losses, self.best)

    @property
    def exhausted(self) -> bool:
        return self.patience > 0 and self.waited >= self.patience
