"""What the user should watch: found in the data and in the evidence, each with its remedy, the gravest first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keiki.data.task import Task
from keiki.evaluation.report import sentences

FEW_TO_LEARN = 10  # training items of a class
FEW_TO_JUDGE = 5  # test items of a class
MANY_LOOKS = 3


def cautions(task: Task, looks: int | None) -> list[dict[str, str]]:
    """All warnings of a run as {'what', 'remedy'}: of the split, unreadable items, small classes, a worn test set."""
    return [*task.warnings, *_unreadable(task), *_small_classes(task), *_worn(looks)]


def _unreadable(task: Task) -> Iterator[dict[str, str]]:
    lost = [each for each in task.skipped if not each.foreign]
    if lost:
        first = "; ".join(f"{each.id}: {each.reason}" for each in lost[:3])
        more = f"; and {len(lost) - 3} more" if len(lost) > 3 else ""
        yield {
            "what": f"{len(lost)} of {len(task.items) + len(lost)} items could not be used ({first}{more}).",
            "remedy": "Repair or remove them; the data section lists them all.",
        }


def _small_classes(task: Task) -> Iterator[dict[str, str]]:
    noun = sentences.noun(task.modality)
    learn = np.bincount(
        np.concatenate([task.labels[task.train], task.labels[task.val]]), minlength=len(task.target.classes)
    )
    few = [_counted(task, c, learn) for c in np.argsort(learn, kind="stable").tolist() if learn[c] < FEW_TO_LEARN]
    if few:
        yield {
            "what": f"Classes with fewer than {FEW_TO_LEARN} {noun} to learn from: {_first(few)}.",
            "remedy": "Their results are guesses; add items of these classes first.",
        }
    if not len(task.test):
        return
    judge = np.bincount(task.labels[task.test], minlength=len(task.target.classes))
    thin = [_counted(task, c, judge) for c in range(len(judge)) if 0 < judge[c] < FEW_TO_JUDGE]
    if thin:
        yield {
            "what": f"Classes with fewer than {FEW_TO_JUDGE} test {noun}: {_first(thin)}.",
            "remedy": "Read their own figures with care; the totals are sound.",
        }


def _worn(looks: int | None) -> Iterator[dict[str, str]]:
    if looks is not None and looks > MANY_LOOKS:
        yield {
            "what": f"This test set has been looked at {looks} times.",
            "remedy": "Choices made after looking flatter the figure; take a fresh test set for the final one.",
        }


def _counted(task: Task, c: int, counts: np.ndarray) -> str:
    return f"'{task.target.classes[c]}' ({counts[c]})"


def _first(texts: list[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
