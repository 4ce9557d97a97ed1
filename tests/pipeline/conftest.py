"""Whole fits on tiny backbones, in folders of their own; features and graphs are shared by the session."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from keiki.backbones.base import FAMILIES
from keiki.backbones.cache import open_cache
from keiki.pipeline.fit import Run, fit
from keiki.testing.tiny import TinyFamily, easy_dataset

Rows = Sequence[tuple[str, ...]]


@pytest.fixture(scope="session", autouse=True)
def _tiny() -> Iterator[None]:
    """tiny:vision and tiny:text are backbones here."""
    FAMILIES.names()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES._things, "tiny", TinyFamily)
        yield


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees another one's runs or looks."""
    monkeypatch.chdir(tmp_path)
    (open_cache().root / "looks.jsonl").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def rows() -> list[tuple[str, str]]:
    """(text, label): 36 short texts of three classes that words tell apart."""
    data = easy_dataset("text", Path("unused"))
    assert data.labels is not None
    return [(str(raw), label) for raw, label in zip(data.items.raws, data.labels, strict=True)]


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as a CSV file in the test's folder."""

    def write(rows: Rows, name: str = "texts.csv", columns: Sequence[str] = ("text", "label")) -> Path:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([tuple(columns), *rows])
        return tmp_path / name

    return write


@pytest.fixture
def texts(table: Callable[..., Path], rows: list[tuple[str, str]]) -> Path:
    return table(rows)


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 pictures in three class folders."""
    root = tmp_path_factory.mktemp("painted")
    data = easy_dataset("image", root / "all")
    assert data.labels is not None
    for raw, label in zip(data.items.raws, data.labels, strict=True):
        place = root / "photos" / label / Path(raw).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(raw, place)
    return root / "photos"


@pytest.fixture
def photos(painted: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(painted, tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def quick(tmp_path: Path) -> Callable[..., Run]:
    """The smallest fit: a tiny backbone, a test share instead of nested folds, no controls; all may be overruled."""

    def run(data: Path, out: str | None = "run", **wishes: Any) -> Run:
        backbone = "tiny:vision" if data.is_dir() else "tiny:text"
        chosen = {"backbone": backbone, "test": 0.25, "controls": "none", **wishes}
        return fit(data, out=None if out is None else tmp_path / out, **chosen)

    return run
