"""Early stopping: keep the best state, stop when it has not been beaten for a while."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Stopping:
    """Watches a score of which lower is better.

    >>> watch = Stopping(patience=2)
    >>> [watch.better(score) for score in (1.0, 0.5, 0.7, 0.6)], watch.exhausted
    ([True, True, False, False], True)
    """

    patience: int
    best: float = float("inf")
    waited: int = 0

    def better(self, score: float) -> bool:
        """Whether `score` is the best so far; not-a-number never is."""
        if score < self.best:
            self.best, self.waited = score, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        return self.patience > 0 and self.waited >= self.patience
