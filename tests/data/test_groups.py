"""Groups: one patient is one group however the name is written, and rows without one stay alone in every company."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keiki.core.files import sha256_bytes
from keiki.data.groups import LONELY, group_name, groups_of_both
from keiki.data.sources.base import Request, read
from keiki.data.split import make_task
from keiki.data.task import Dataset, Items

ZOES = [unicodedata.normalize(("NFC", "NFD")[i % 2], f"Zoë {i // 2}") + " " * (i % 3) for i in range(40)]


def dataset(name: str, groups: list[str] | None, n: int = 3) -> Dataset:
    texts = tuple(f"{name} {i}" for i in range(n))
    items = Items("text", tuple(f"{name} {i}" for i in range(n)), texts, tuple(sha256_bytes(t.encode()) for t in texts))
    labels = tuple("ab"[i % 2] for i in range(n))
    return Dataset(name, items, labels, ("",) * n, None if groups is None else tuple(groups))


def texts_table(path: Path) -> Path:
    rows = [f"a text of its own number {i},{'ab'[i // 2 % 2]},{who}" for i, who in enumerate(ZOES)]
    path.write_text("\n".join(["text,label,patient", *rows]), encoding="utf-8")
    return path


def number_table(path: Path) -> Path:
    rows = [f"{i},{i * i},{'ab'[i // 2 % 2]},{who}" for i, who in enumerate(ZOES)]
    path.write_text("\n".join(["x,y,label,patient", *rows]), encoding="utf-8")
    return path


def arrays(path: Path) -> Path:
    path = path.with_suffix(".npz")
    features = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(path, X=features, y=np.arange(40) // 2 % 2, patient=np.array(ZOES))
    return path


@pytest.mark.parametrize("write", [texts_table, number_table, arrays])
def test_one_patient_in_two_spellings_is_one_group(write: Callable[[Path], Path], tmp_path: Path) -> None:
    found = read(write(tmp_path / "t.csv"), Request(group="patient"))
    assert found.groups is not None
    assert len(set(found.groups)) == 20
    task = make_task(found, test=0.3)
    assert not set(task.test // 2) & set(task.train // 2)


def test_what_says_nothing_names_no_group() -> None:
    assert [group_name(cell, 5) for cell in ("", " ", "NaN", "#REF!")] == ["row 5 alone"] * 4
    assert LONELY.fullmatch(group_name("", 12))
    assert not LONELY.fullmatch(group_name("p1", 12))


def test_equal_names_are_one_group_in_both_and_lonely_rows_stay_alone() -> None:
    first = dataset("a", ["p1", "row 2 alone", "item 1 alone"])
    second = dataset("b", ["p1", "row 2 alone", "item 1 alone"])
    found = groups_of_both(first, second)
    assert found is not None
    assert found[0] == found[3]
    assert len(set(found)) == 5
    assert groups_of_both(dataset("a", None), dataset("b", None)) is None
    for one, other in ((None, ["p", "p", "q"]), (["p", "p", "q"], None)):
        found = groups_of_both(dataset("a", one), dataset("b", other))
        assert found is not None
        assert len(set(found)) == 5


def test_empty_cells_of_two_tables_tie_nothing() -> None:
    lonely = ["p1", "p1", "row 3 alone", "row 4 alone", "p2", "p3", "p4", "p5", "p6", "p7"]
    data, exam = dataset("data", lonely, 10), dataset("exam", [f"row {i} alone" for i in range(1, 11)], 10)
    task = make_task(data, test=exam, val=replace(exam, name="val", items=dataset("val", None, 10).items))
    assert not task.warnings
    assert len(np.unique(task.groups)) == 29


def test_tables_without_the_column_of_groups_tie_nothing() -> None:
    data = dataset("data", [f"p{i // 2}" for i in range(10)], 10)
    task = make_task(data, val=dataset("val", None, 10), test=dataset("test", None, 10))
    assert len(np.unique(task.groups)) == 25
