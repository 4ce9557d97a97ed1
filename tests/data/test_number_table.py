"""Tables of numbers: which columns are features, which the label, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keiki.core.errors import ColumnError, DataError
from keiki.data.number_table import holds_numbers, number_dataset
from keiki.data.rows import Table, read_table
from keiki.data.sources.base import Request

FLOWERS = (
    "id,length,width,species,plot,split\n1,5.1,3.5,a,x,train\n2,4.9,,a,y,train\n3,6.2,2.9,b,x,test\n4,5.8,2.7,b,,\n"
)


def table(folder: Path, text: str = FLOWERS) -> tuple[Table, Path]:
    path = folder / "flowers.csv"
    path.write_text(text, encoding="utf-8")
    return read_table(path), path


def test_numbers_are_features_and_the_rest_is_what_it_is_called(tmp_path: Path):
    found = number_dataset(*table(tmp_path), Request(group="plot"))
    np.testing.assert_allclose(np.stack(found.items.raws), np.float32([[5.1, 3.5], [6.2, 2.9], [5.8, 2.7]]))  # type: ignore[arg-type]
    assert found.labels == ("a", "b", "b")
    assert found.parts == ("train", "test", "")
    assert found.groups == ("x", "x", "row 4 alone")
    assert [(each.id, each.reason) for each in found.skipped] == [
        ("row 2", "feature 2 of 2 is missing or not a number")
    ]
    assert "Column 'species' was taken for the label." in found.notes
    assert "The columns 'id' were left out: they number the rows or hold no numbers." in found.notes


def test_only_columns_of_numbers_throughout_are_taken_for_features_unasked(tmp_path: Path):
    assert holds_numbers(table(tmp_path)[0], Request(group="plot"))
    assert not holds_numbers(table(tmp_path)[0], Request())  # 'plot' is neither number nor anything that was named
    assert holds_numbers(table(tmp_path)[0], Request(input="length, width"))
    assert not holds_numbers(table(tmp_path)[0], Request(input="length"))
    assert not holds_numbers(table(tmp_path)[0], Request(input="species,width"))
    texts = table(tmp_path, "text,label\none two,a\nthree four,b\n")[0]
    assert not holds_numbers(texts, Request())


def test_asked_columns_come_in_the_order_asked(tmp_path: Path):
    found = number_dataset(*table(tmp_path), Request(input="width,length", label="species"))
    np.testing.assert_allclose(found.items.raws[0], np.float32([3.5, 5.1]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(input="lenght"), "Did you mean 'length'"),
        (Request(input="species,width", label="plot"), r"'species' .* is no feature: it holds 'a'"),
        (Request(input="length,width", label="width"), "cannot be the input and something else"),
        (Request(label="spezies"), "no column 'spezies' for --label"),
    ],
)
def test_wrong_columns_are_refused_with_the_choices(tmp_path: Path, request_: Request, said: str):
    with pytest.raises(ColumnError, match=said):
        number_dataset(*table(tmp_path), request_)


def test_what_was_said_of_other_data_may_be_absent(tmp_path: Path):
    found = number_dataset(*table(tmp_path), Request(label="kind", group="plot", strict=False))
    assert found.labels == ("a", "b", "b")


def test_without_labels_rows_are_read_only_where_none_are_needed(tmp_path: Path):
    made = table(tmp_path, "a,b\n1,2\n3,4\n")
    assert number_dataset(*made, Request(labelled=False)).labels is None
    with pytest.raises(ColumnError, match="could be the label"):
        number_dataset(*made, Request())


def test_a_quantity_is_no_label(tmp_path: Path):
    lines = [f"{i},{i % 7},{i * 0.37:.3f}" for i in range(100)]
    with pytest.raises(DataError, match="different numbers"):
        number_dataset(*table(tmp_path, "\n".join(["a,b,price", *lines])), Request(label="price"))


def test_a_split_of_which_some_words_are_unknown_is_refused_where_it_would_be_learned_from(tmp_path: Path):
    made = table(tmp_path, FLOWERS.replace("test", "tset"))
    with pytest.raises(DataError, match="'tset' is no part"):
        number_dataset(*made, Request(group="plot"))
    assert len(number_dataset(*made, Request(group="plot", labelled=False))) == 3


def test_what_is_left_out_knows_its_place(tmp_path: Path):
    found = number_dataset(*table(tmp_path, "a,b,label\n1,2,x\n3,,x\nbroken\n5,6,y\n7,8,\n"), Request())
    assert [(each.id, each.before) for each in found.skipped] == [  # type: ignore[attr-defined]
        ("row 2", 1),
        ("row 3 (line 4)", 1),
        ("row 5", 2),
    ]


def test_rows_without_a_time_or_a_group_are_left_out_or_counted(tmp_path: Path):
    text = "length,label,plot,day\n1,a,x,06/01/2025\n2,a,,13/01/2025\n3,b,x,\n4,b,y,nan\n5,b,y,14/01/2025\n"
    found = number_dataset(*table(tmp_path, text), Request(label="label", group="plot", time="day"))
    assert [(each.id, each.reason) for each in found.skipped] == [("row 3", "no time"), ("row 4", "no time")]
    assert found.times is not None
    assert found.times[1] - found.times[0] == 7 * 86_400
    assert found.groups == ("x", "row 2 alone", "y")
    assert any(note.startswith("1 of 3 rows have no value in column 'plot'") for note in found.notes)
    assert any("begin with the day" in note for note in found.notes)
