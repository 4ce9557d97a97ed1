"""Parquet: typed columns become the same cells as in other tables; pictures inside are laid into the cache."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from keiki.core.errors import ColumnError, DataError
from keiki.core.files import sha256_bytes
from keiki.data.parquet import read_parquet
from keiki.data.sources.base import Request, read


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))


def written(path: Path, columns: Mapping[str, Any], meta: Mapping[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(meta or table.schema.metadata), path)
    return path


def png(i: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (i, 0, 0)).save(out, "PNG")
    return out.getvalue()


def test_texts_and_labels(tmp_path: Path) -> None:
    found = read(written(tmp_path / "t.parquet", {"text": ["one a", "two b", None], "label": ["x", "y", "x"]}))
    assert found.items.raws == ("one a", "two b")
    assert found.labels == ("x", "y")
    assert [each.reason for each in found.skipped] == ["empty text"]
    assert found.name == "t"


def test_every_type_becomes_the_cell_a_person_would_write(tmp_path: Path) -> None:
    utc = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
    columns = {
        "int": pa.array([1, None], pa.int16()),
        "whole": pa.array([1.0, None]),
        "float": pa.array([0.5, float("nan")]),
        "bool": pa.array([True, None]),
        "date": pa.array([dt.date(2026, 3, 1), None]),
        "time": pa.array([utc.replace(tzinfo=None), None], pa.timestamp("ns")),
        "zoned": pa.array([utc, None], pa.timestamp("ms", tz="Europe/Berlin")),
        "money": pa.array([Decimal("1.50"), None]),
        "kind": pa.array(["a", None]).dictionary_encode(),
        "bytes": pa.array([b"caf\xc3\xa9", None], pa.binary()),
        "list": pa.array([["a", "b"], None]),
        "span": pa.array([dt.timedelta(hours=1), None], pa.duration("ns")),
        "none": pa.nulls(2),
    }
    table = read_parquet([written(tmp_path / "t.parquet", columns)])
    assert table.columns == list(columns)
    assert table.rows[0] == [
        *("1", "1", "0.5", "True", "2026-03-01", "2026-03-01T12:30:00", "2026-03-01T12:30:00+00:00", "1.50", "a"),
        *("café", '["a", "b"]', "1:00:00", ""),
    ]
    assert table.rows[1] == [""] * len(columns)


def test_pandas_leaves_no_column_of_its_own(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"text": ["a b", "c d", "e f"], "label": pd.Categorical(["x", "y", "x"])})
    frame.iloc[[2, 0]].to_parquet(tmp_path / "t.parquet")
    table = read_parquet([tmp_path / "t.parquet"])
    assert table.columns == ["text", "label"]
    assert table.rows == [["e f", "x"], ["a b", "x"]]


def test_integers_of_class_labels_become_their_names(tmp_path: Path) -> None:
    features = {
        "label": {"_type": "ClassLabel", "names": ["neg", "pos"]},
        "text": {"_type": "Value", "dtype": "string"},
    }
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    path = written(tmp_path / "t.parquet", {"text": ["a b", "c d", "e f"], "label": [1, 0, -1]}, meta)
    found = read(path)
    assert found.labels == ("pos", "neg")
    assert [each.reason for each in found.skipped] == ["no label"]


@pytest.mark.parametrize("form", ["struct", "bytes"])
def test_pictures_inside_are_items(tmp_path: Path, form: str) -> None:
    pictures: list[Any] = [png(i) for i in range(4)]
    column = [{"bytes": each, "path": f"{i}.png"} for i, each in enumerate(pictures)] if form == "struct" else pictures
    path = written(tmp_path / "t.parquet", {"image": column, "label": ["a", "b", "a", "b"]})
    found = read(path)
    assert found.items.modality == "image"
    assert found.items.digests == tuple(map(sha256_bytes, pictures))
    assert all(isinstance(raw, Path) and tmp_path / "cache" in raw.parents for raw in found.items.raws)
    assert found.items.ids == (
        ("0.png", "1.png", "2.png", "3.png") if form == "struct" else tuple(f"row {i}" for i in range(1, 5))
    )
    assert any("it holds pictures" in note for note in found.notes)


def test_only_the_chosen_pictures_are_laid_out(tmp_path: Path) -> None:
    columns = {"image": [png(1), png(2)], "mask": [png(3), png(4)], "label": ["a", "b"]}
    path = written(tmp_path / "t.parquet", columns)
    with pytest.raises(ColumnError, match="--input image"):
        read(path)
    assert not (tmp_path / "cache").exists()
    assert len(read(path, Request(input="mask"))) == 2
    assert len(list((tmp_path / "cache").rglob("0000*"))) == 2


def test_rows_without_picture_are_listed(tmp_path: Path) -> None:
    column = [
        {"bytes": png(1), "path": None},
        None,
        {"bytes": b"<html>", "path": "x.png"},
        {"bytes": None, "path": "gone.png"},
    ]
    found = read(written(tmp_path / "t.parquet", {"image": column, "label": ["a", "b", "a", "b"]}))
    assert len(found) == 1
    told = [(each.id, each.reason.split(" (")[0]) for each in found.skipped]
    assert told == [("row 2", "no picture"), ("x.png", "not a picture"), ("gone.png", "no such file")]


@pytest.mark.parametrize("way", ["absolute", "up"])
def test_pictures_that_a_file_only_names_lie_beside_it(tmp_path: Path, way: str) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.png").write_bytes(png(1))
    name = str(tmp_path / "secret.png") if way == "absolute" else "../secret.png"
    column = [{"bytes": None, "path": each} for each in ("1.png", name, "1.png")]
    found = read(written(tmp_path / "data" / "t.parquet", {"image": column, "label": ["a", "b", "b"]}))
    assert found.items.digests == (sha256_bytes(png(1)),) * 2
    assert [(each.id, each.reason.split(" (")[0]) for each in found.skipped] == [(name, "no such file")]


def test_published_shards_are_one_data_set(tmp_path: Path) -> None:
    for part, at, texts in (("train", 0, ["a b", "c d"]), ("train", 1, ["e f", "g h"]), ("test", 0, ["i j", "k l"])):
        name = f"data/{part}-0000{at}-of-00002.parquet"
        written(tmp_path / name, {"text": texts, "label": ["x", "y"]})
    (tmp_path / "README.md").write_text("# data")
    found = read(tmp_path)
    assert found.parts.count("train") == 4
    assert found.parts.count("test") == 2
    assert len(set(found.items.ids)) == 6
    assert len(read(tmp_path / "data" / "test-00000-of-00002.parquet")) == 2


def test_shards_of_other_columns_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "train-1.parquet", {"text": ["a"], "label": ["x"]})
    written(tmp_path / "train-2.parquet", {"text": ["a"], "class": ["x"]})
    with pytest.raises(DataError, match="has other columns than"):
        read(tmp_path)


def test_sounds_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    features = {"audio": {"_type": "Audio"}, "label": {"_type": "Value"}, "text": {"_type": "Value"}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    columns = {"audio": [{"bytes": b"RIFF", "path": "a.wav"}] * 2, "text": ["a b", "c d"], "label": ["x", "y"]}
    found = read(written(tmp_path / "t.parquet", columns, meta))
    assert found.items.modality == "text"
    assert any("'audio' holds sounds" in note for note in found.notes)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "tail", "no rows", "no columns"])
def test_damage_is_one_clear_error(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path / "t.parquet", {"text": ["a b"] * 50, "label": ["x"] * 50})
    data = path.read_bytes()
    if damage in ("no rows", "no columns"):
        written(path, {"text": pa.array([], pa.string())} if damage == "no rows" else {})
    else:
        path.write_bytes(
            {"empty": b"", "text": b"text,label\n", "cut": data[:200], "tail": data[:-9] + b"PAR1"}[damage]
        )
    with pytest.raises(DataError, match="damaged or none at all|has no rows"):
        read(path)


@pytest.mark.parametrize("key", ["huggingface", "keiki"])
def test_remarks_nested_without_end_are_none(tmp_path: Path, key: str) -> None:
    columns = {"text": ["a b", "c d"], "label": ["x", "y"]}
    for remark in ("[" * 100_000, '{"info":' * 100_000):
        assert read(written(tmp_path / "t.parquet", columns, {key: remark})).items.raws == ("a b", "c d")


def test_rows_times_columns_are_limited_over_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiki.data.rows.MOST_CELLS", 8)
    columns = {"text": ["a b", "c d"], "label": ["x", "y"]}
    for i in range(2):
        written(tmp_path / f"train-{i}.parquet", columns)
    assert len(read(tmp_path)) == 4
    written(tmp_path / "train-2.parquet", columns)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.iter_batches", lambda *_, **__: pytest.fail("read before"))
    with pytest.raises(DataError, match="has 6 rows of 2 columns; the limit is 8 cells"):
        read(tmp_path)


def test_texts_that_are_no_utf8_keep_what_of_them_is(tmp_path: Path) -> None:
    raw = pa.array([b"caf\xe9 au lait", b"plain words"], pa.binary())
    path = written(
        tmp_path / "t.parquet", {"text": pa.Array.from_buffers(pa.string(), 2, raw.buffers()), "label": ["x", "y"]}
    )
    assert read(path).items.raws == ("caf\ufffd au lait", "plain words")


def test_reading_imports_no_pandas(tmp_path: Path) -> None:
    moments = pa.array([dt.datetime(2026, 3, 1)] * 2, pa.timestamp("ns", tz="UTC"))
    path = written(tmp_path / "t.parquet", {"text": ["a b", "c d"], "label": ["x", "y"], "when": moments})
    script = (
        "import sys; from pathlib import Path; from keiki.data.sources.base import Request, read\n"
        f"assert len(read(Path({str(path)!r}), Request(labelled=False))) == 2\nassert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
