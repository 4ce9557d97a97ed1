"""What a run answered on the items that judge it: kept in its folder, so that runs can be compared item by item."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from keiki.core.errors import BundleError
from keiki.core.files import digest, writing
from keiki.data.task import Index, Task
from keiki.pipeline.estimate import SHIPPED, Estimate

FILE = "answers.npz"
SCHEMA = 1
DAMAGE = (OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
AGAIN = "Fit again: a fit of this version leaves them in its folder."

Protocol = Literal["given", "held-out", "nested"]


@dataclass(frozen=True)
class Answers:
    """M answers of what the run ships, none of an item that it was fitted on.

    digests, ids (M,): of the items (ids None where samples were to be left out). labels (M,) positions of `classes`;
    groups (M,) cluster numbers; positions (M,) of the items in the run's task; repeats (M,) number of the repetition:
    with nested cross-validation an item may be answered several times. probabilities (M, C) float32, calibrated.
    split: digest of who was judged when, equal for runs with equal items, labels and folds.
    """

    digests: tuple[str, ...]
    ids: tuple[str, ...] | None
    labels: Index
    groups: Index
    positions: Index
    repeats: Index
    probabilities: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    protocol: Protocol
    split: str

    def __len__(self) -> int:
        return len(self.digests)


def write(folder: Path, task: Task, estimate: Estimate, *, samples: bool = True) -> Path:
    """answers.npz in the run folder, without pickle; `samples` False leaves the items' names out."""
    items = task.items.take(estimate.positions)
    names = task.target.classes
    repeats, folds = _rounds(task, estimate)
    judged = zip(items.digests, estimate.labels.tolist(), repeats.tolist(), folds.tolist(), strict=True)
    split = digest(sorted([content, names[label], repeat, fold] for content, label, repeat, fold in judged))
    arrays = {
        "schema": np.array(SCHEMA),
        "digests": _bytes(items.digests),
        "ids": _bytes(items.ids if samples else ()),
        "labels": estimate.labels.astype(np.int64),
        "groups": estimate.groups.astype(np.int64),
        "positions": estimate.positions.astype(np.int64),
        "repeats": repeats,
        "probabilities": estimate.probabilities[SHIPPED].astype(np.float32),
        "classes": _bytes(names),
        "protocol": _bytes([task.protocol]),
        "split": _bytes([split]),
    }
    path = folder / FILE
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **cast("dict[str, Any]", arrays))
    return path


def read(folder: Path) -> Answers:
    """The answers in a run folder; raises BundleError where they are missing or damaged."""
    path = folder / FILE
    if not path.is_file():
        raise BundleError(f"The run '{folder}' has not kept its answers: it holds no {FILE}.", hint=AGAIN)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        answers = _unpacked(arrays)
    except DAMAGE as error:
        raise BundleError(f"'{path}' is damaged: {error}.", hint="Fit again, or restore the file.") from error
    _check(answers, path)
    return answers


def _rounds(task: Task, estimate: Estimate) -> tuple[Index, Index]:
    """Repetition and fold (M,) of each answer, in the order in which `estimate` went through them."""
    nothing = np.zeros(len(estimate.positions), dtype=np.int64)
    if task.protocol != "nested":
        return nothing, nothing
    rounds = [(r, f) for r in range(len(task.outer)) for f in np.unique(task.outer[r]).tolist() if f >= 0]
    held = [np.flatnonzero(task.outer[r] == f) for r, f in rounds]
    assert np.array_equal(np.concatenate(held), estimate.positions), "the estimate went through other folds"
    sizes = [len(rows) for rows in held]
    return np.repeat([r for r, _ in rounds], sizes), np.repeat([f for _, f in rounds], sizes)


def _bytes(texts: tuple[str, ...] | list[str]) -> npt.NDArray[np.bytes_]:
    """Texts as an array of UTF-8 bytes: no pickle, and a quarter of what NumPy takes for str."""
    return np.array([text.encode("utf-8", "replace") for text in texts], dtype=np.bytes_)


def _texts(array: npt.NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(bytes(each).decode("utf-8") for each in array.astype(np.bytes_).tolist())


def _unpacked(arrays: dict[str, npt.NDArray[Any]]) -> Answers:
    if int(arrays["schema"]) != SCHEMA:
        raise ValueError(f"it has schema {int(arrays['schema'])}, this version reads {SCHEMA}")
    ids = _texts(arrays["ids"])
    return Answers(
        digests=_texts(arrays["digests"]),
        ids=ids or None,
        labels=arrays["labels"].astype(np.int64),
        groups=arrays["groups"].astype(np.int64),
        positions=arrays["positions"].astype(np.int64),
        repeats=arrays["repeats"].astype(np.int64),
        probabilities=arrays["probabilities"].astype(np.float32),
        classes=_texts(arrays["classes"]),
        protocol=cast(Protocol, _texts(arrays["protocol"])[0]),
        split=_texts(arrays["split"])[0],
    )


def _check(answers: Answers, path: Path) -> None:
    """Raise BundleError where the parts do not fit each other."""
    n, n_classes = len(answers), len(answers.classes)
    columns = (answers.labels, answers.groups, answers.positions, answers.repeats)
    sound = (
        n > 0
        and all(column.shape == (n,) for column in columns)
        and answers.probabilities.shape == (n, n_classes)
        and 0 <= answers.labels.min() <= answers.labels.max() < n_classes
        and (answers.ids is None or len(answers.ids) == n)
    )
    if not sound:
        raise BundleError(f"'{path}' is damaged: its parts do not fit each other.", hint="Fit again, or restore it.")
