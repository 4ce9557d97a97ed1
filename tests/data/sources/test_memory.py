"""Data in memory: written once under a digest of their content, and read back as the same items."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from keiki.core.errors import DataError
from keiki.data.sources.base import Request, read
from keiki.data.sources.memory import shelved


@pytest.fixture(autouse=True)
def quiet_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def frame() -> pd.DataFrame:
    texts = [f"words number {i}" for i in range(6)]
    return pd.DataFrame(
        {"text": texts, "label": pd.Categorical(list("xyxyxy")), "when": pd.date_range("2026-01-01", periods=6)}
    )


def picture(i: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (i, 0, 0))


def png(i: int) -> bytes:
    out = io.BytesIO()
    picture(i).save(out, "PNG")
    return out.getvalue()


def test_a_path_is_itself(tmp_path: Path) -> None:
    assert shelved("photos", tmp_path) == Path("photos")
    assert not any(tmp_path.iterdir())


def test_a_data_frame_is_read_back(tmp_path: Path, frame: pd.DataFrame) -> None:
    found = read(shelved(frame, tmp_path / "shelf"), Request(time="when"))
    assert found.items.raws == tuple(frame["text"])
    assert found.labels == tuple("xyxyxy")
    assert found.times is not None
    assert np.diff(found.times).tolist() == [86_400.0] * 5


def test_equal_data_are_written_once_and_others_beside(tmp_path: Path, frame: pd.DataFrame) -> None:
    first = shelved(frame, tmp_path)
    stamp = first.stat().st_mtime_ns
    assert shelved(frame.copy(), tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    frame.loc[0, "text"] = "other words"
    assert shelved(frame, tmp_path) != first
    assert len(list(tmp_path.iterdir())) == 2


def test_odd_columns_become_texts_and_that_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a b", "c d"], "label": [1, "one"], 7: [Path("x"), None], "text2": [["l"], None]})
    found = read(shelved(frame, tmp_path), Request(input="text", label="label"))
    assert found.labels == ("1", "one")
    assert any("'label' holds values of several types" in note for note in found.notes)


def test_a_named_index_is_a_column(tmp_path: Path, frame: pd.DataFrame) -> None:
    found = read(shelved(frame.set_index("when"), tmp_path), Request(time="when"))
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
    assert found.times == tuple(first + 86_400 * day for day in range(6))


def test_a_frame_of_pictures(tmp_path: Path) -> None:
    frame = pd.DataFrame({"photo": [picture(i) for i in range(4)], "label": list("abab")})
    found = read(shelved(frame, tmp_path))
    assert found.items.modality == "image"
    assert len(found) == 4


def test_a_frame_and_its_labels(tmp_path: Path, frame: pd.DataFrame) -> None:
    found = read(shelved((frame[["text"]], frame["label"]), tmp_path))
    assert found.labels == tuple("xyxyxy")
    with pytest.raises(DataError, match="5 labels for 6 rows"):
        shelved((frame[["text"]], list("xyxyx")), tmp_path)


def test_several_levels_of_columns_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    with pytest.raises(DataError, match="several levels"):
        shelved(frame, tmp_path)


def test_arrow_tables_and_what_speaks_arrow(tmp_path: Path) -> None:
    table = pa.table({"text": ["a b", "c d"], "label": ["x", "y"]})
    assert read(shelved(table, tmp_path)).labels == ("x", "y")


def test_texts_and_labels(tmp_path: Path) -> None:
    texts = ["a b", "c d", "e f"]
    for labels in (["x", "y", "x"], np.array(["x", "y", "x"]), pd.Series(["x", "y", "x"])):
        found = read(shelved((texts, labels), tmp_path))
        assert (found.items.raws, found.labels) == (tuple(texts), ("x", "y", "x"))
    assert read(shelved((np.array(texts, dtype=object), np.array([0, 1, 0])), tmp_path)).labels == ("0", "1", "0")
    with pytest.raises(DataError, match="2 labels for 3 items"):
        shelved((texts, ["x", "y"]), tmp_path)


def test_paths_of_pictures_and_labels(tmp_path: Path) -> None:
    for i in range(4):
        picture(i).save(tmp_path / f"{i}.png")
    found = read(shelved(([tmp_path / f"{i}.png" for i in range(4)], list("abab")), tmp_path / "shelf"))
    assert found.items.modality == "image"
    assert found.labels == tuple("abab")


def test_a_bunch_of_texts(tmp_path: Path) -> None:
    from sklearn.utils import Bunch

    names = np.array(["space", "cars"])
    bunch = Bunch(data=["a b", "c d", "e f"], target=np.array([1, 0, 1]), target_names=names)
    assert read(shelved(bunch, tmp_path)).labels == ("cars", "space", "cars")
    assert (
        read(shelved(Bunch(data=[b"caf\xc3\xa9 x", b"d"], target=[0, 1], target_names=names), tmp_path)).items.raws[0]
        == "café x"
    )
    with pytest.raises(DataError, match="encoding="):
        shelved(Bunch(data=[b"caf\xe9"], target=[0]), tmp_path)


def test_a_hugging_face_data_set_of_texts(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    rows = {"text": ["a b", "c d", "e f"], "label": [1, 0, -1]}
    found = read(shelved(datasets.Dataset.from_dict(rows, features=features), tmp_path))
    assert found.labels == ("pos", "neg")
    assert [each.reason for each in found.skipped] == ["no label"]


def test_the_splits_of_a_dictionary_become_parts(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    part = datasets.Dataset.from_dict({"text": ["a b", "c d"], "label": ["x", "y"]})
    found = read(shelved(datasets.DatasetDict({"test": part, "train": part, "validation": part}), tmp_path))
    assert found.parts == ("train", "train", "val", "val", "test", "test")
    with pytest.raises(DataError, match="'unsupervised' are neither train, validation nor test"):
        shelved(datasets.DatasetDict({"train": part, "unsupervised": part}), tmp_path)


def test_a_hugging_face_data_set_of_pictures_becomes_a_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["a", "b"])
    features = datasets.Features({"image": datasets.Image(), "label": label, "who": datasets.Value("string")})
    rows = {
        "image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)],
        "label": [0, 1, 0, 1],
        "who": ["p", "p", "q", None],
    }
    data = datasets.Dataset.from_dict(rows, features=features)
    folder = shelved(data, tmp_path)
    assert sorted(each.name for each in folder.iterdir()) == [
        *(f"0000000{i}.png" for i in range(1, 5)),
        "metadata.jsonl",
    ]
    found = read(folder, Request(group="who"))
    assert found.labels == ("a", "b", "a", "b")
    assert found.groups is not None
    assert found.groups[0] == found.groups[1] != found.groups[3]
    assert shelved(data, tmp_path) == folder


def test_arrays_are_left_to_their_own_source(tmp_path: Path) -> None:
    found = read(shelved((np.eye(4), np.array(["a", "b", "a", "b"])), tmp_path))
    assert found.items.modality == "vector"


@pytest.mark.parametrize("data", [object(), 7, {1, 2}, iter([]), pd.Series(["a"]), dt.date(2026, 1, 1)])
def test_other_types_are_refused_with_what_is_known(tmp_path: Path, data: object) -> None:
    with pytest.raises(DataError, match="DataFrame|Known"):
        shelved(data, tmp_path)
    assert not any(tmp_path.iterdir())
