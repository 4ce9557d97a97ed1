"""The bundle: a folder that predicts. Opened only after every byte of it was checked; knows no training.

model.onnx, model.onnx.data   backbone, standardiser, head, temperature, distance to the training items: raw inputs to
                              "logits", "probabilities", "features" (where it computes them) and "unfamiliarity"
model.safetensors             the same weights for whoever goes on training
tokenizer.json ...            files of the preprocessing
seen.json                     SHA-256 of every item that the fit has seen
bundle.json                   preprocessing, classes, calibration, thresholds with their meaning, numbers over the
                              out-of-fold answers, versions, SHA-256 of every file; nothing of a single item
README.md                     the model card
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from keiki.artifacts import manifest
from keiki.artifacts.given import Given, Item, Pixels, Preparing, as_raws, frame_raws, is_frame
from keiki.artifacts.origin import Columns, OwnEstimate, columns_of, estimate_of
from keiki.artifacts.outputs import FEATURES, LOGITS, PROBABILITIES, UNFAMILIARITY
from keiki.artifacts.predictions import Predictions, Sets
from keiki.artifacts.thresholds import Thresholds
from keiki.core.errors import BundleError, RequestError, UnreadableItem
from keiki.core.files import read_json
from keiki.core.options import near_miss
from keiki.data.augment.orientation import by_names
from keiki.data.augment.views import Views
from keiki.data.batches import cuts
from keiki.data.task import Target
from keiki.data.transforms.base import Array, Transform, path_of, restore
from keiki.engines.onnx import OnnxEngine
from keiki.engines.plan import usable_cores

FOLDER = "bundle"  # of a run, where its bundle lies
GRAPH_FILE = "model.onnx"
LAST = "last"  # beside the runs: points to the newest
SEEN_FILE = "seen.json"
_BATCH_COST = 1024  # padded tokens a batch
_WINDOW_ITEMS = 1024  # prepared before batches are formed: enough to sort by length,
_WINDOW_BYTES = 64 * 2**20  # and little enough for a small machine
_TAKES = {"text": "texts", "vector": "rows of numbers"}

T = TypeVar("T")
Scores = npt.NDArray[np.float32]


class Bundle:
    """A checked bundle. Make one with `Bundle.open`."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], threads: int | None = None) -> None:
        self.folder = folder
        self.facts = facts
        self._threads = threads or usable_cores()
        try:
            target = facts["target"]
            self.target = Target(tuple(target["classes"]), target["name"], target["kind"])
            self.thresholds = Thresholds.read(facts["thresholds"], facts["out_of_fold"])
            self.name: str = _of_type(facts, "name", str)
            self.modality: str = _of_type(facts, "modality", str)
            self.batch_size: int = _of_type(facts, "batch_size", int)
            self.width = int(facts["graph"]["width"])
            self._transform_facts: dict[str, Any] = _of_type(facts, "transform", dict)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"'{folder / manifest.FILE}' is incomplete: {error}.", hint=manifest.AGAIN) from error

    @classmethod
    def open(cls, path: Path | str, threads: int | None = None) -> Self:
        """The bundle in a run folder or a bundle folder; raises BundleError if one byte of it is not as written."""
        folder = find(Path(path))
        return cls(folder, manifest.read(folder), threads)

    @cached_property
    def transform(self) -> Transform:
        """The preprocessing, as in training."""
        return restore(self._transform_facts, self.folder)

    @cached_property
    def engine(self) -> OnnxEngine:
        """The graph, opened on first use."""
        return OnnxEngine(self.folder / GRAPH_FILE, self._threads)

    def seen(self) -> frozenset[str]:
        """SHA-256 of every item that the fit has seen."""
        return frozenset(read_json(self.folder / SEEN_FILE)["digests"])

    @cached_property
    def columns(self) -> Columns:
        """The columns of the table that it was fitted on, as far as they were named."""
        return columns_of(self.facts, self.folder)

    @cached_property
    def estimate(self) -> OwnEstimate | None:
        """How good the fit itself says the model is; None where nobody has kept that."""
        return estimate_of(self.facts, self.folder)

    @property
    def accept_from(self) -> float | None:
        """The top probability from which an answer is accepted, as the fit was asked; None: never."""
        return self.thresholds.accept

    @property
    def flips(self) -> bool:
        """Whether a mirrored picture is of the same class: as the fit has found, or as the names of the classes say."""
        kept = self.facts.get("flips")
        return by_names(self.target.classes).allowed if kept is None else bool(kept)

    def predict(
        self,
        raws: Given,
        *,
        accuracy: float | None = None,
        set_level: float | None = None,
        augment: int | None = None,
    ) -> Predictions:
        """Answers for N raw items; what cannot be read is an error of its row.

        raws: texts; pictures as paths, bytes of files, PIL images or uint8 arrays (H, W, 3); or rows of numbers. A list
        or Series of them, one alone, or a DataFrame, of which the columns that the fit used are taken. Raises DataError
        for what is none of these, by its position.

        accuracy: wanted among the accepted answers, other than the fit was asked for. set_level: how often the set of
        classes of an answer is to hold the true one. augment: so many views of each picture (`Views`) are asked about,
        and their probabilities averaged; the thresholds stay those that were found for one view.
        """
        accept = self.thresholds.accept_from(accuracy)
        sets = None if set_level is None else Sets(set_level, self.thresholds.set_from(set_level))
        measured = self.thresholds.unfamiliar is not None
        views = None if augment is None else self._views(augment)
        found, errors = self._run(raws, (PROBABILITIES, UNFAMILIARITY) if measured else (PROBABILITIES,), views)
        return Predictions(
            self.target.classes,
            found[PROBABILITIES],
            errors,
            accept,
            found.get(UNFAMILIARITY),
            self.thresholds.unfamiliar,
            sets,
        )

    def logits(self, raws: Given) -> Scores:
        """Logits (N, C) before calibration, a row of NaN where an item cannot be read."""
        return self.run(raws, (LOGITS,))[0][LOGITS]

    def features(self, raws: Given) -> Scores:
        """Features (N, D) that the head sees, a row of NaN where an item cannot be read; `width` tells D beforehand."""
        return self.run(raws, (FEATURES,))[0][FEATURES]

    def run(self, raws: Given, outputs: Sequence[str]) -> tuple[dict[str, Scores], dict[int, str]]:
        """Outputs of N raw items (see `predict`) by name, rows of NaN where one cannot be read, and the reasons by row.

        "logits" and "probabilities" (N, C), "features" (N, D), and "unfamiliarity" (N,) where the thresholds have one.
        """
        if UNFAMILIARITY in outputs and self.thresholds.unfamiliar is None:
            raise RequestError(
                f"This model cannot tell how unfamiliar an item is: {self.thresholds.why_no_unfamiliar}.",
                hint="Ask for other outputs.",
            )
        return self._run(raws, outputs, None)

    def _run(
        self, raws: Given, outputs: Sequence[str], views: Views | None
    ) -> tuple[dict[str, Scores], dict[int, str]]:
        sizes = {UNFAMILIARITY: (), FEATURES: (self.width,)}
        items = self._items(raws)
        shapes = {name: (len(items), *sizes.get(name, (len(self.target.classes),))) for name in outputs}
        found = {name: np.full(shape, np.nan, dtype=np.float32) for name, shape in shapes.items()}
        errors = dict[int, str]()
        for window in self._windows(items, errors, views or self.transform):
            for batch in self._batches(window, 1 if views is None else views.n):
                prepared = [window[row] for row in batch]
                answers = self.run_prepared(prepared) if views is None else self._run_views(prepared, views)
                for name, values in found.items():
                    values[batch] = answers[name]
        return found, errors

    def run_prepared(self, prepared: Sequence[Array]) -> dict[str, Scores]:
        """Every output of prepared items in one batch, by its name; see `run`."""
        return self._answers(self.transform.collate(prepared))

    def _answers(self, inputs: dict[str, Array]) -> dict[str, Scores]:
        answers = self.engine.run_all(inputs)
        if FEATURES not in answers:  # preparing gives them
            (rows,) = inputs.values()
            answers[FEATURES] = np.asarray(rows, dtype=np.float32).reshape(len(rows), -1)
        return answers

    def _views(self, n: int) -> Views:
        if self.modality != "image":
            raise RequestError(
                f"Several views are averaged for pictures; this model takes {_TAKES[self.modality]}, of which there is "
                "only one view each.",
                hint="Ask without --augment.",
            )
        return Views(self.transform, n, self.flips)

    def _run_views(self, prepared: Sequence[Array], views: Views) -> dict[str, Scores]:
        """The mean of each item's probabilities over its views; all else is that of the first view, the item itself."""
        answers = self._answers(views.collate(prepared))
        of_items = {name: values.reshape(len(prepared), views.n, *values.shape[1:]) for name, values in answers.items()}
        mean = of_items[PROBABILITIES].mean(axis=1, dtype=np.float64).astype(np.float32)
        return {name: values[:, 0] for name, values in of_items.items()} | {PROBABILITIES: mean}

    def _items(self, raws: Given) -> Sequence[Item]:
        if not is_frame(raws):
            return as_raws(raws, self.modality)
        width = getattr(self.transform, "width", None) if self.modality == "vector" else None
        return frame_raws(raws, self.modality, self.columns, width)

    def _windows(
        self, raws: Sequence[Item], errors: dict[int, str], preparing: Preparing
    ) -> Iterator[dict[int, Array]]:
        """Prepared items by row, as many at a time as a small machine can hold; fills `errors`."""
        window: dict[int, Array] = {}
        held = 0
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            for start in range(0, len(raws), self.batch_size):
                some = raws[start : start + self.batch_size]
                for row, result in enumerate(pool.map(lambda raw: self._prepare(raw, preparing), some), start):
                    if isinstance(result, UnreadableItem):
                        errors[row] = result.reason
                    else:
                        window[row] = result
                        held += result.nbytes
                if held >= _WINDOW_BYTES or len(window) >= _WINDOW_ITEMS:
                    yield window
                    window, held = {}, 0
        yield window

    def _prepare(self, raw: Item, preparing: Preparing) -> Array | UnreadableItem:
        try:
            if not isinstance(raw, Pixels):
                return preparing.prepare(path_of(raw) if self.modality == "image" else raw)
            return raw.prepared(preparing)
        except UnreadableItem as error:
            return error

    def _batches(self, window: Mapping[int, Array], views: int) -> Iterator[list[int]]:
        """Rows in batches of like cost, so that a short text is not padded to a long one; fewer of several views."""
        rows = sorted(window, key=lambda row: (self.transform.cost(window[row]), row))
        costs = [self.transform.cost(window[row]) for row in rows]
        for part in cuts(costs, max(1, self.batch_size // views), _BATCH_COST):
            yield rows[part]


def _of_type(facts: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = facts[name]
    if not isinstance(value, kind):
        raise TypeError(f"'{name}' is {value!r}")
    return value


def find(path: Path) -> Path:
    """The bundle folder meant by `path`: itself, or the one in this run; raises BundleError."""
    path = followed(path)
    for folder in (path, path / FOLDER):
        if (folder / manifest.FILE).is_file():
            return folder
    if path.is_dir():
        raise BundleError(
            f"'{path}' is neither a run nor a bundle: it holds no {manifest.FILE}.",
            hint=f"Name the folder that 'keiki fit' wrote; {_choices(path)}",
        )
    raise BundleError(f"There is no run or bundle '{path}'.", hint=_nearby(path))


def followed(path: Path) -> Path:
    """`runs/last` where links are not to be had: a file that holds the name of the run beside it."""
    return path.parent / path.read_text(encoding="utf-8").strip() if path.name == LAST and path.is_file() else path


def _choices(path: Path) -> str:
    runs = sorted(child.name for child in path.iterdir() if (child / FOLDER / manifest.FILE).is_file())
    return f"'{path}' holds the runs {', '.join(runs)}." if runs else "there is none inside it."


def _nearby(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"The folder '{parent}' does not exist either; 'keiki fit DATA' makes a run."
    guess = near_miss(path.name, [child.name for child in parent.iterdir()])
    return f"Did you mean '{parent / guess}'?" if guess else "'keiki fit DATA' makes one."


def load(path: Path | str) -> Bundle:
    """The model in a run or bundle folder; `keiki.load`. Raises BundleError where it is not as it was written.

    `load("runs/last").predict(["photo.jpg"]).labels`
    """
    return Bundle.open(path)
