"""The parts of report.json that lie deeper: why it was wrong, where it is weak, what was found in the data.

Conventions are those of schema.py. Where the user wanted no samples (`Report.samples` false), no item has a name, a
text or a thumbnail here, and groups that the user named are numbered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keiki.evaluation.report.part import Interval, Part


@dataclass(frozen=True, kw_only=True)
class Shown(Part):
    """An item as the page shows it. `thumbnail`: data URI of a picture; `text`: its beginning; `id`: its name.

    `side`: where it stood in the split ("" where every item was judged in turn).
    """

    label: str
    id: str = ""
    side: Literal["training", "test", ""] = ""
    thumbnail: str | None = None
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Neighbour(Part):
    """A training item that looks alike to the model; `similarity` is a cosine in [-1, 1]."""

    item: Shown
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Heat(Part):
    """Occlusion: `drops`, row by row, is how much the score of the given answer fell where a cell was covered.

    In units of the logit; below zero: covering it made the answer surer. `flips` of `n` covered places changed the
    answer. `width`, `height`: the proportions of the picture.
    """

    rows: int
    columns: int
    drops: tuple[float, ...]
    n: int
    flips: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Word(Part):
    """A piece of a text, with the blanks behind it, and how much the score fell without it (units of the logit)."""

    text: str
    drop: float
    flips: bool = False


@dataclass(frozen=True, kw_only=True)
class Why(Part):
    """What an answer hung on, asked of the model that gave it."""

    heat: Heat | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Slice(Part):
    """A part of the judged items. `p_value`: that it is as good as the rest, after Holm's correction.

    `weak`: its interval lies on the bad side of the total, and the corrected p-value below one minus the level.
    """

    name: str
    n: int
    score: Interval
    p_value: float
    weak: bool = False


@dataclass(frozen=True, kw_only=True)
class SliceFamily(Part):
    """One way of dividing the judged items; `n_small` of its slices hold too few items to be judged."""

    name: str
    slices: tuple[Slice, ...]
    n_small: int = 0


@dataclass(frozen=True, kw_only=True)
class Slices(Part):
    """Where it is weak: all families that were looked at; `tested` slices were corrected for together."""

    metric: str
    better: Literal["higher", "lower"]
    total: Interval
    smallest: int
    tested: int
    families: tuple[SliceFamily, ...]


@dataclass(frozen=True, kw_only=True)
class LearningPoint(Part):
    """Accuracy after learning from `n` labels."""

    n: int
    accuracy: Interval


@dataclass(frozen=True, kw_only=True)
class LearningCurve(Part):
    """What more labels would bring.

    `points` were measured, `trend` is the fitted power law. `more_labels`: labels beyond the `n_labels` at hand for
    `gain` more accuracy, None where that cannot be said (`why_not`). `doubled`: gain from twice the labels.
    """

    model: str
    n_labels: int
    gain: float
    points: tuple[LearningPoint, ...]
    trend: tuple[LearningPoint, ...] = ()
    more_labels: Interval | None = None
    doubled: Interval | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Map(Part):
    """Judged items in two dimensions: `x`, `y` in 0..1000, `true` and `said` are positions of classes.

    `kept`: share of each point's ten nearest here that are among its ten nearest in the features. `n`: judged items;
    where there are more than points, a sample is shown. `ids` is empty where names are left out.
    """

    method: Literal["t-SNE", "PCA"]
    of: str
    n: int
    kept: float
    x: tuple[int, ...]
    y: tuple[int, ...]
    true: tuple[int, ...]
    said: tuple[int, ...]
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RiskPoint(Part):
    """Among the surest `coverage` of the answers, the share that is wrong."""

    coverage: float
    risk: Interval


@dataclass(frozen=True, kw_only=True)
class RiskCurve(Part):
    """Share accepted against share wrong; `aurc`: the area under it, `best`: the least that so many mistakes allow."""

    points: tuple[RiskPoint, ...]
    aurc: float
    best: float


@dataclass(frozen=True, kw_only=True)
class Copies(Part):
    """Items that are copies of one another: `n` of them, the first ones shown. `similarity`: of the least alike."""

    kind: Literal["exact", "near"]
    similarity: float
    n: int
    items: tuple[Shown, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Suspect(Part):
    """An item whose label is doubtful: out of fold the model gives its label `probability` and prefers `suggested`."""

    item: Shown
    suggested: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Leak(Part):
    """`n` test items with a copy among the training items, and the metric with and without them."""

    n: int
    metric: str
    with_them: Interval
    without_them: Interval | None
    items: tuple[Shown, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shift(Part):
    """How well a classifier tells test from training items (ROC AUC); 0.5 = not at all."""

    auc: Interval
    n_train: int
    n_test: int
    shifted: bool


@dataclass(frozen=True, kw_only=True)
class Hint(Part):
    """Items that probably belong together though nobody said so; `option`: what to type."""

    how: Literal["prefix", "burst", "column"]
    name: str
    n_groups: int
    n_items: int
    examples: tuple[str, ...]
    option: str


@dataclass(frozen=True, kw_only=True)
class Language(Part):
    """What the text backbone makes of these texts; shares in [0, 1], lengths in tokens."""

    unknown_tokens: float
    truncated: float
    longest: int
    limit: int
    languages: dict[str, float]
    backbone_language: str


@dataclass(frozen=True, kw_only=True)
class Sizes(Part):
    """Pictures against the input of the backbone, in pixels: `smallest` and `largest` are width and height."""

    input_side: int
    n_small: int
    n_large: int
    smallest: tuple[int, int]
    largest: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Findings(Part):
    """What was looked for in the data and found; of `copies` and `suspects` the first ones.

    `n_exact` and `n_near` count sets of copies, `n_copies` the items in them. `notes`: what was not looked for and why.
    """

    n_exact: int = 0
    n_near: int = 0
    n_copies: int = 0
    copies: tuple[Copies, ...] = ()
    n_suspects: int = 0
    suspects: tuple[Suspect, ...] = ()
    leak: Leak | None = None
    shift: Shift | None = None
    hints: tuple[Hint, ...] = ()
    language: Language | None = None
    sizes: Sizes | None = None
    notes: tuple[str, ...] = ()
