"""answers.npz: what is written is read, and what is damaged is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from keiki.core.errors import BundleError
from keiki.core.files import sha256_bytes
from keiki.core.random import Randomness
from keiki.data.task import Items, Target, Task
from keiki.pipeline import answers
from keiki.pipeline.estimate import SHIPPED, Estimate

N = 10


def make_task(protocol: str = "given", repeats: int = 2) -> Task:
    """Ten texts; items 0 and 5 are one cluster. given: the last four are the test set. nested: two outer folds."""
    texts = tuple(f"text {i} ü" for i in range(N))
    digests = tuple(sha256_bytes(text.encode()) for text in texts)
    everything, nothing = np.arange(N), np.array([], dtype=np.int64)
    folds = np.stack([(everything + r) % 2 for r in range(repeats)])
    folds[0, 9] = -1  # in the first repetition this one always stays on the training side
    return Task(
        name="ten",
        items=Items("text", tuple(f"row {i}" for i in everything), texts, digests),
        target=Target(("cat", "dog")),
        labels=everything % 2,
        groups=np.where(everything == 5, 0, everything),
        train=everything[:6] if protocol == "given" else everything,
        val=nothing,
        test=everything[6:] if protocol == "given" else nothing,
        protocol=cast(Any, protocol),
        outer=folds if protocol == "nested" else np.zeros((0, N), dtype=np.int64),
        random=Randomness(0),
    )


def make_estimate(task: Task, seed: int = 0) -> Estimate:
    if task.protocol == "nested":
        at = np.concatenate([np.flatnonzero(folds == f) for folds in task.outer for f in (0, 1)])
    else:
        at = task.test
    shares = np.random.default_rng(seed).dirichlet([1, 1], size=len(at))
    return Estimate(at, task.labels[at], task.groups[at], {SHIPPED: shares}, cast(Any, None), ())


@pytest.mark.parametrize("protocol", ["given", "nested"])
def test_what_is_written_is_read(tmp_path: Path, protocol: str) -> None:
    task = make_task(protocol)
    estimate = make_estimate(task)
    answers.write(tmp_path, task, estimate)
    found = answers.read(tmp_path)
    assert found.digests == tuple(task.items.digests[i] for i in estimate.positions)
    assert found.ids == tuple(f"row {i}" for i in estimate.positions)
    assert found.classes == ("cat", "dog")
    assert found.protocol == protocol
    assert found.positions.tolist() == estimate.positions.tolist()
    assert found.labels.tolist() == estimate.labels.tolist()
    assert found.groups.tolist() == estimate.groups.tolist()
    np.testing.assert_array_equal(found.probabilities, estimate.probabilities[SHIPPED].astype(np.float32))


def test_repetitions_are_numbered(tmp_path: Path) -> None:
    task = make_task("nested")
    answers.write(tmp_path, task, make_estimate(task))
    assert answers.read(tmp_path).repeats.tolist() == [0] * 9 + [1] * 10


def test_the_file_holds_no_pickle_and_is_the_same_each_time(tmp_path: Path) -> None:
    task = make_task()
    first = answers.write(tmp_path, task, make_estimate(task)).read_bytes()
    assert answers.write(tmp_path, task, make_estimate(task)).read_bytes() == first
    with np.load(tmp_path / answers.FILE, allow_pickle=False) as found:
        assert all(found[name].dtype.kind in "iufS" for name in found.files)


def test_no_samples_leaves_the_names_of_items_out(tmp_path: Path) -> None:
    task = make_task()
    path = answers.write(tmp_path, task, make_estimate(task), samples=False)
    assert answers.read(tmp_path).ids is None
    assert b"row 7" not in path.read_bytes()


def test_the_split_is_known_by_items_labels_and_folds(tmp_path: Path) -> None:
    def split(task: Task, seed: int = 0) -> str:
        answers.write(tmp_path, task, make_estimate(task, seed))
        return answers.read(tmp_path).split

    assert split(make_task(), 0) == split(make_task(), 1)  # whatever was answered
    assert split(make_task("nested")) == split(make_task("nested"))
    assert split(make_task("nested")) != split(make_task("nested", repeats=1))
    assert split(make_task("nested")) != split(make_task())


def test_a_run_without_answers_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Fit again"):
        answers.read(tmp_path)


def test_damage_is_refused(tmp_path: Path) -> None:
    task = make_task()
    path = answers.write(tmp_path, task, make_estimate(task))
    whole = path.read_bytes()
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    spoilt: dict[str, dict[str, Any]] = {
        "fewer labels": {"labels": arrays["labels"][:-1]},
        "a class too many": {"labels": arrays["labels"] + 1},
        "wider": {"probabilities": arrays["probabilities"][:, :1]},
        "names missing": {"ids": arrays["ids"][:2]},
        "nothing": {name: arrays[name][:0] for name in ("digests", "labels", "groups", "positions", "repeats")},
        "another schema": {"schema": np.array(99)},
        "objects": {"labels": np.array([{}, {}, {}, {}], dtype=object)},
        "no protocol": {"protocol": arrays["protocol"][:0]},
    }
    for change in spoilt.values():
        np.savez(path, **{**arrays, **change})
        with pytest.raises(BundleError, match="damaged"):
            answers.read(tmp_path)
    for data in (whole[: len(whole) // 2], b"", b"PK\x03\x04 no zip", whole.replace(b"labels", b"lebals")):
        path.write_bytes(data)
        with pytest.raises(BundleError, match="damaged"):
            answers.read(tmp_path)
