"""What was found in the data besides what was asked: duplicates, doubtful labels, shift, hints. Plain values.

Rows are positions into `Task.items`. Every part is found by a function of its own (data/, evaluation/), put together by
`pipeline/health.py`, and told by the report and by run.json.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from keiki.evaluation.intervals import Interval


@dataclass(frozen=True)
class Cluster:
    """Items that are copies of one another. similarity: of the least alike neighbours, 1 = equal."""

    rows: tuple[int, ...]
    kind: Literal["exact", "near"]
    similarity: float


@dataclass(frozen=True)
class Leak:
    """Test items with an exact or near copy among the training items, and the metric with and without them."""

    rows: tuple[int, ...]
    metric: str
    with_them: Interval
    without_them: Interval | None  # None where too few items are left


@dataclass(frozen=True)
class Suspect:
    """An item whose label is doubtful: out-of-fold, the model gives `given` the probability `score`, and prefers
    `suggested` (positions of classes). Sorted with the most doubtful first."""

    row: int
    given: int
    suggested: int
    score: float


@dataclass(frozen=True)
class Shift:
    """Classifier two-sample test: ROC-AUC of telling test from training items; 0.5 = no difference.

    shifted: whether the lower end of the interval lies above 0.5 by a margin that matters.
    """

    auc: Interval
    n_train: int
    n_test: int
    shifted: bool


@dataclass(frozen=True)
class GroupHint:
    """Items that probably belong together though nobody said so. option: what to type, '' where a column is wanted."""

    how: Literal["prefix", "burst", "column"]
    name: str
    n_groups: int
    n_items: int
    examples: tuple[str, ...]
    option: str


@dataclass(frozen=True)
class Language:
    """What a text backbone makes of these texts. Shares in [0, 1]; languages: ISO 639-1 code -> share of texts."""

    unknown_tokens: float
    truncated: float
    longest: int  # tokens
    limit: int  # tokens that the backbone reads
    languages: dict[str, float]
    backbone_language: str


@dataclass(frozen=True)
class Sizes:
    """Pictures against the input of the backbone, in pixels of the shorter side. small: below a half of it."""

    input_side: int
    n_small: int
    n_large: int  # above eight times of it
    smallest: tuple[int, int]
    largest: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that was found; None where it was not looked for, and `notes` say why."""

    clusters: tuple[Cluster, ...] = ()
    leak: Leak | None = None
    suspects: tuple[Suspect, ...] = ()
    n_suspects: int = 0
    shift: Shift | None = None
    hints: tuple[GroupHint, ...] = ()
    language: Language | None = None
    sizes: Sizes | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)
