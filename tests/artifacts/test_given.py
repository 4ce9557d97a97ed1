"""Whatever a person hands to a model in Python is answered item by item, or refused by name and position."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.origin import Columns
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import DataError
from keiki.testing.bundles import TEXTS, text_handover, vector_handover


@pytest.fixture
def fruit(text_bundle: Path) -> Bundle:
    return Bundle.open(text_bundle)


@pytest.fixture
def colours(image_bundle: Path) -> Bundle:
    return Bundle.open(image_bundle)


@pytest.fixture
def two_columns(tmp_path: Path) -> Bundle:
    """A model that was fitted on two columns of texts."""
    columns = Columns("subject, message", "team", "thread")
    write_bundle(tmp_path / "b", replace(text_handover(), columns=columns))
    return Bundle.open(tmp_path / "b")


@pytest.fixture
def rows(tmp_path: Path) -> Bundle:
    write_bundle(tmp_path / "rows", replace(vector_handover(), columns=Columns(None, "kind", "day")))
    return Bundle.open(tmp_path / "rows")


def same(model: Bundle, given: Any, items: Any) -> None:
    np.testing.assert_array_equal(model.predict(given).probabilities, model.predict(items).probabilities)


# --- texts ---


@pytest.mark.parametrize(
    "shape",
    [tuple, pd.Series, np.array, lambda texts: np.array(texts, dtype=object)[:, None], iter, pd.Index],
)
def test_texts_come_in_any_list(fruit: Bundle, shape: Any) -> None:
    same(fruit, shape(list(TEXTS)), list(TEXTS))


def test_one_text_is_one_item(fruit: Bundle) -> None:
    assert len(fruit.predict("a red apple")) == 1
    same(fruit, "a red apple", ["a red apple"])


def test_a_frame_of_one_column_gives_its_texts(fruit: Bundle) -> None:
    same(fruit, pd.DataFrame({"message": TEXTS}), list(TEXTS))
    same(fruit, pa.table({"message": list(TEXTS)}), list(TEXTS))


def test_a_frame_gives_the_columns_of_the_fit_joined_as_in_the_fit(two_columns: Bundle) -> None:
    frame = pd.DataFrame({"team": "x", "message": ["an apple", "a phone", ""], "n": 1, "subject": ["red", None, "b"]})
    same(two_columns, frame, ["red\nan apple", "a phone", "b"])
    same(two_columns, frame.head(1), ["red\nan apple"])
    same(two_columns, frame[["message"]].head(2), ["an apple", "a phone"])


def test_a_frame_that_could_mean_anything_is_refused_with_its_columns(two_columns: Bundle, fruit: Bundle) -> None:
    frame = pd.DataFrame({"message": TEXTS, "day": 1})
    with pytest.raises(DataError, match=r"fitted on the columns 'subject', 'message', and the DataFrame has 'message'"):
        two_columns.predict(frame)
    with pytest.raises(DataError, match=r"not known which of them .*'message', 'day'.*predict\(frame\['message'\]\)"):
        fruit.predict(frame)
    with pytest.raises(DataError, match="same name"):
        fruit.predict(pd.DataFrame([["a", "b"]], columns=["x", "x"]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([None, 3.5, "a bus"], "item 0 is None; item 1 is 3.5"),
        (["a", float("nan")], "item 1 is nan"),
        ([Path("a.txt")], "item 0 is of the type '.*Path'.*read_text"),
        ([b"a"], "item 0 is of the type 'bytes'.*decode"),
        (pd.DataFrame({"n": [1.5, 2.0]}), "item 0 is 1.5; item 1 is 2.0"),
        (np.zeros((2, 3)), "item 0 is an array of float64, 3"),
        (list(range(9)), "item 2 is 2; and 6 more"),
        ({"text": ["a"]}, "got of the type 'dict'|of the type 'dict'"),
        (7, "but got 7"),
    ],
)
def test_what_is_no_text_is_refused_by_its_position(fruit: Bundle, given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        fruit.predict(given)


# --- pictures ---


def test_a_picture_is_the_same_as_path_bytes_image_and_array(colours: Bundle, pictures: Path) -> None:
    path = pictures / "red" / "1.png"
    image = Image.open(path)
    for given in (str(path), path, path.read_bytes(), image, np.asarray(image)):
        same(colours, given, [path])
        same(colours, [given, given], [path, path])
    same(colours, pd.Series([str(path)]), [path])
    same(colours, pd.DataFrame({"photo": [str(path)]}), [path])
    same(colours, np.stack([np.asarray(image)] * 2), [path, path])


def test_images_in_memory_are_read_by_the_rules_for_files(colours: Bundle, tmp_path: Path) -> None:
    left = np.zeros((20, 40, 3), dtype=np.uint8)
    left[:, :20] = (220, 40, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(left).save(tmp_path / "turned.png", exif=exif)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("CMYK", (8, 8), (200, 10, 10, 0)).save(tmp_path / "print.tif")
    for name in ("turned.png", "clear.png", "print.tif"):
        same(colours, Image.open(tmp_path / name), [tmp_path / name])


def test_a_damaged_picture_in_memory_is_an_error_of_its_row(colours: Bundle, pictures: Path) -> None:
    data = (pictures / "red" / "1.png").read_bytes()
    cut = Image.open(io.BytesIO(data[: len(data) // 2]))
    found = colours.predict([data, cut, b"no picture", Image.new("F", (4, 4))])
    assert found.labels == ["red", None, None, None]
    assert list(found.errors) == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([None], "item 0 is None"),
        (np.zeros((8, 8, 3)), "item 0 is an array of float64, 8 x 8 x 3"),
        (np.zeros((8, 8), dtype=np.uint8), "uint8 arrays of height x width x 3, but item 0 is an array of uint8, 8"),
        ([np.zeros((0, 4, 3), dtype=np.uint8)], "item 0 is an array"),
        ([3], "item 0 is 3"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_position(colours: Bundle, given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        colours.predict(given)


# --- rows of numbers ---


def test_rows_come_as_matrix_list_one_row_and_frame(rows: Bundle) -> None:
    X = np.array([[0.5, 1e4, 2020.0], [-0.5, 1e4, 2021.0]])
    same(rows, X.tolist(), X)
    same(rows, X[0], X[:1])
    same(rows, X[0].tolist(), X[:1])
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    same(rows, frame, X)
    same(rows, frame.iloc[0], X[:1])
    same(rows, frame.assign(kind="yes", day=3), X)


def test_a_frame_with_other_columns_than_the_model_takes_is_refused(rows: Bundle) -> None:
    with pytest.raises(DataError, match="rows of 3 numbers, but the DataFrame has 4 columns: 'a', 'b', 'c', 'd'"):
        rows.predict(pd.DataFrame(np.zeros((2, 4)), columns=list("abcd")))
    with pytest.raises(DataError, match="but the column 'b' of the DataFrame holds something else"):
        rows.predict(pd.DataFrame({"a": [1.0], "b": ["x"], "c": [2.0]}))
