"""Warnings say what is wrong and what to do, the gravest first."""

from __future__ import annotations

import numpy as np

from keiki.core.files import sha256_bytes
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items, Skipped, Task
from keiki.evaluation.intervals import Interval
from keiki.pipeline.cautions import cautions
from keiki.pipeline.findings import Cluster, Findings, GroupHint, Language, Leak, Shift, Sizes, Suspect


def task(n: int = 120, skipped: tuple[Skipped, ...] = ()) -> Task:
    raws = tuple(f"text {i}" for i in range(n))
    items = Items("text", raws, raws, tuple(sha256_bytes(raw.encode()) for raw in raws))
    return make_task(Dataset("d", items, ("a", "b") * (n // 2), ("",) * n, skipped=skipped))


EVERYTHING = Findings(
    clusters=(Cluster((0, 1), "near", 0.9), Cluster((2, 4), "near", 0.9), Cluster((5, 7), "exact", 1.0)),
    leak=Leak((3,), "accuracy", Interval(0.9, 0.8, 0.95), Interval(0.85, 0.75, 0.92)),
    suspects=(Suspect(0, 0, 1, 0.01),),
    n_suspects=1,
    shift=Shift(Interval(0.8, 0.7, 0.9), 100, 20, True),
    hints=(GroupHint("column", "patient", 30, 120, ("row 1", "row 2"), "--group patient"),),
    language=Language(0.1, 0.5, 900, 256, {"de": 0.9, "en": 0.1}, "English"),
    sizes=Sizes(224, 100, 0, (20, 30), (500, 400)),
)


def test_the_gravest_comes_first_and_each_has_a_remedy() -> None:
    found = cautions(task(skipped=(Skipped("x.txt", "empty text"),)), looks=9, findings=EVERYTHING)
    assert all(set(each) == {"what", "remedy"} and each["what"] and each["remedy"] for each in found)
    starts = [each["what"] for each in found]
    assert starts == [
        "1 test text is an exact or near copy of training texts: accuracy is 90 % with them, without them 85 %.",
        "Test and training items differ: a classifier tells them apart with ROC AUC 0.80 (at least 0.70; 0.5 = not "
        "at all).",
        "1 set of near copies has different labels: 'text 0' is 'a', 'text 1' 'b'.",
        "1 of 121 items could not be used (x.txt: empty text).",
        "The backbone was trained on English: many texts are in a language that it was not trained on (German 90 %) "
        "and it has no piece for 10 % of the tokens.",
        "50 % of the texts are longer than the 256 tokens that the backbone reads (the longest has 900); the rest of "
        "them is not seen.",
        "This test set has been looked at 9 times.",
        "1 text has a label that the model doubts.",
        "100 of 120 pictures are smaller than half of what the backbone takes in (224 pixels; the smallest has 20 x "
        "30).",
        "Column 'patient' suggests 30 groups of texts that may belong together (row 1, row 2); the estimate is too "
        "good if they do and new ones will not.",
    ]


def test_nothing_found_nothing_said() -> None:
    assert cautions(task(), looks=None) == []
    quiet = Findings(
        shift=Shift(Interval(0.55, 0.5, 0.6), 100, 20, False),
        language=Language(0.001, 0.01, 90, 256, {"en": 0.9, "de": 0.1}, "English"),
        sizes=Sizes(224, 5, 0, (20, 30), (500, 400)),
    )
    assert cautions(task(), looks=1, findings=quiet) == []


def test_a_leak_that_leaves_too_few_says_so() -> None:
    leak = Leak((3, 5), "log_loss", Interval(0.9, 0.8, 0.95), None)
    (found,) = cautions(task(), None, Findings(leak=leak))
    assert "log loss is 0.90 with them, too few are left" in found["what"]


def test_rows_are_positions_of_the_task() -> None:
    data = task()
    assert np.array_equal(data.labels[[0, 1]], [0, 1])
