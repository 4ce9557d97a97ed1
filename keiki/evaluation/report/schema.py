"""The content of report.json: every number, word and picture that the page shows, and nothing that it does not.

    Report
    ├── task        what the data are: classes, splits, groups, duplicates, skipped files, guesses said aloud
    ├── headline    how good         (first.py) ┐
    ├── usability   can I use it     (first.py) │
    ├── transfer    did it help      (first.py) │ the first screen, in this order
    ├── start       a model of the user's own to start from   (start.py) │
    ├── warnings    what to watch, with remedy  │
    ├── mistakes    the most confident ones     │
    ├── next_steps  three commands              ┘
    ├── findings    copies, doubtful labels, leak, shift, hints               (insight.py)
    ├── slices, learning, map, risk                                           (insight.py)
    ├── metrics, confusion, reliability, per_class, paths, training
    ├── moved       what fine-tuning moved, how far, at what cost          (moved.py)
    ├── selection   what was tried and lost, and the rule
    ├── cost        seconds, memory, sizes
    └── model, usage, provenance

Conventions: shares and probabilities lie in [0, 1]; sizes are bytes; times are seconds unless the name says otherwise;
`None` means "not known" or "not defined", never zero; classes are named, and indices refer to `task.classes`.
Differences are oriented so that above zero speaks for the model named first, whatever the metric. NaN cannot occur."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from keiki.evaluation.report import insight
from keiki.evaluation.report.first import ChartRow as ChartRow
from keiki.evaluation.report.first import Headline as Headline
from keiki.evaluation.report.first import Partly as Partly
from keiki.evaluation.report.first import Transfer as Transfer
from keiki.evaluation.report.first import Unreached as Unreached
from keiki.evaluation.report.first import Usability as Usability
from keiki.evaluation.report.moved import Moved as Moved
from keiki.evaluation.report.part import Interval as Interval
from keiki.evaluation.report.part import Part as Part
from keiki.evaluation.report.start import Start as Start

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class ClassCount(Part):
    """One class and how many items of it stand in each split."""

    name: str
    train: int
    validation: int = 0
    test: int = 0


@dataclass(frozen=True, kw_only=True)
class Skipped(Part):
    """A file or row that could not be used; `reason` is a short phrase."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Task(Part):
    """What the data are and how they were divided.

    `noun`: plural word for the items, from `sentences.noun`. `folds`, `repeats`: of nested cross-validation, else 0.
    `newest`: whether the test items were set apart as the newest ones.
    `group_column`: what keeps items together, if anything. `duplicate_*`: exact copies, on one side of every split.
    `notes`: guesses said aloud, as sentences. `skipped`: at most a few hundred; `n_skipped` counts them all.
    """

    modality: str
    kind: str
    noun: str
    source: str
    n: int
    train: int
    validation: int
    test: int
    classes: tuple[ClassCount, ...]
    split: Literal["given", "held-out", "nested cross-validation"]
    folds: int = 0
    repeats: int = 0
    newest: bool = False
    group_column: str | None = None
    n_groups: int = 0
    duplicate_clusters: int = 0
    duplicate_items: int = 0
    n_skipped: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Warning(Part):
    """Something to watch and what to do about it. The first three stand on the first screen."""

    text: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Mistake(Part):
    """A judged item answered wrongly. `thumbnail`: data URI of a PNG, JPEG or WebP picture; `text`: what was read.

    `neighbours`: the nearest items among those that the model had learned from; `why`: what the answer hung on.
    """

    id: str
    true: str
    predicted: str
    probability: float
    runner_up: str | None = None
    runner_up_probability: float | None = None
    thumbnail: str | None = None
    text: str | None = None
    neighbours: tuple[insight.Neighbour, ...] = ()
    why: insight.Why | None = None


@dataclass(frozen=True, kw_only=True)
class Command(Part):
    """A command line and what it does, in a few words."""

    command: str
    does: str


@dataclass(frozen=True, kw_only=True)
class MetricRow(Part):
    """One metric on the test items. `meaning`: one plain sentence. `score` is None where too few items allow none."""

    name: str
    better: Literal["higher", "lower"]
    score: Interval | None
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class ConfusionCell(Part):
    """`n` items of class `true` were called `predicted` (indices into `task.classes`); zero cells are left out."""

    true: int
    predicted: int
    n: int


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin(Part):
    """Items whose top probability lies in [low, high): mean probability, and share right with interval."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: Interval


@dataclass(frozen=True, kw_only=True)
class Reliability(Part):
    """Do the probabilities mean what they say. `ece`: None below 200 items, where it would be mostly noise."""

    bins: tuple[ReliabilityBin, ...]
    ece: Interval | None = None
    temperature: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassResult(Part):
    """One class on the test items; a figure is None where it is not defined (never predicted, no test item)."""

    name: str
    support: int
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None


@dataclass(frozen=True, kw_only=True)
class PathPoint(Part):
    """One penalty of a regularisation path and its out-of-fold log loss (nats per item)."""

    penalty: float
    log_loss: float
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Path(Part):
    """The regularisation path of one view; `chosen` is the penalty taken, None where another view won."""

    view: str
    points: tuple[PathPoint, ...]
    chosen: float | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch(Part):
    """Loss after one epoch (nats per item)."""

    epoch: int
    train: float
    validation: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingCurve(Part):
    """The curve of one Descend phase; `best`: the epoch whose weights were kept."""

    phase: str
    epochs: tuple[Epoch, ...]
    best: int | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate(Part):
    """One thing that was tried. `difference`: its out-of-fold log loss minus the best one's, paired; >= 0.

    `why`: a few words on why it lost or won.
    """

    name: str
    log_loss: float
    difference: float
    standard_error: float | None = None
    trained_parameters: int | None = None
    prediction_ms: float | None = None
    chosen: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Selection(Part):
    """What was tried and lost, and the rule that chose, in words."""

    rule: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True)
class Stage(Part):
    """Wall time of one stage; stages of the controls are listed apart."""

    name: str
    seconds: float
    control: bool = False


@dataclass(frozen=True, kw_only=True)
class Cost(Part):
    """What it cost. `prediction_ms`: one item, warm, with decoding."""

    stages: tuple[Stage, ...]
    total_seconds: float
    controls_seconds: float
    peak_memory_bytes: int | None = None
    bundle_bytes: int | None = None
    trained_parameters: int | None = None
    total_parameters: int | None = None
    trainable_share: float | None = None
    prediction_ms: float | None = None
    hardware: str = ""


@dataclass(frozen=True, kw_only=True)
class Model(Part):
    """What was shipped: the method and the card of its backbone. `method_title`, `input` are for people."""

    method: str
    method_title: str
    backbone: str
    width: int | None = None
    licence: str = ""
    origin: str = ""
    digest: str = ""
    language: str | None = None
    input: str = ""


@dataclass(frozen=True, kw_only=True)
class Usage(Part):
    """How to use the model: commands, and a Python snippet that runs."""

    commands: tuple[Command, ...]
    python: str


@dataclass(frozen=True, kw_only=True)
class Provenance(Part):
    """What would be needed to do it again: versions, seed, options and digests, as name -> value."""

    seed: int
    versions: dict[str, str]
    config: dict[str, str | int | float | bool | None]
    digests: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Report(Part):
    """All of report.json. `created`: ISO 8601 with time zone. `level`: of every interval. `keiki`: our version.
    `samples`: whether pictures, texts and names of items may stand in it."""

    schema: int = SCHEMA
    run: str
    folder: str
    created: str
    keiki: str
    level: float = 0.95
    task: Task
    headline: Headline
    usability: Usability | None
    transfer: Transfer | None
    warnings: tuple[Warning, ...]
    n_mistakes: int
    mistakes: tuple[Mistake, ...]
    next_steps: tuple[Command, ...]
    metrics: tuple[MetricRow, ...]
    confusion: tuple[ConfusionCell, ...]
    reliability: Reliability | None
    per_class: tuple[ClassResult, ...]
    paths: tuple[Path, ...] = ()
    training: tuple[TrainingCurve, ...] = ()
    selection: Selection
    cost: Cost
    model: Model
    usage: Usage
    provenance: Provenance
    samples: bool = True
    findings: insight.Findings | None = None
    slices: insight.Slices | None = None
    learning: insight.LearningCurve | None = None
    map: insight.Map | None = None
    risk: insight.RiskCurve | None = None
    moved: Moved | None = None
    start: Start | None = None


def to_json(report: Report) -> dict[str, Any]:
    """The content of report.json: plain dicts, lists, numbers and strings."""
    return dataclasses.asdict(
        report, dict_factory=lambda pairs: {n: list(v) if isinstance(v, tuple) else v for n, v in pairs}
    )
