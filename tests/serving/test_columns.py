"""What a table was read by in the fit is what it is read by afterwards, and what differs is said."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.origin import Columns
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import ColumnError, DataError
from keiki.data.sources.base import Request, read
from keiki.data.task import Dataset
from keiki.serving.columns import read_as_fitted
from keiki.serving.inputs import gather
from keiki.serving.judge import read_data
from keiki.testing.bundles import text_handover, vector_handover

HEAD = "message,subject,team,thread\n"
ROWS = "where is it,my parcel,post,1\ntoo high again,the bill,money,2\nit never came,a parcel,post,1\n"
FITTED = Columns("subject, message", "team", "thread")


def table(folder: Path, text: str = HEAD + ROWS, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def look(path: Path, fitted: Columns = FITTED, request: Request | None = None) -> Dataset:
    return read_as_fitted(lambda wish: read(path, wish), request or Request(), fitted)


def test_input_label_and_group_are_those_of_the_fit(tmp_path: Path) -> None:
    found = look(table(tmp_path))
    assert found.items.raws[0] == "my parcel\nwhere is it"
    assert (found.labels, found.groups) == (("post", "money", "post"), ("1", "2", "1"))
    assert found.notes == ("As in the fit: input 'subject', 'message', label 'team', group 'thread'.",)


def test_what_the_user_names_counts_and_another_input_is_said(tmp_path: Path) -> None:
    found = look(table(tmp_path), request=Request(input="message", label="thread", learned=False))
    assert found.items.raws[0] == "where is it"
    assert (found.labels, found.groups) == (("1", "2", "1"), None)  # a column cannot be the label and the group
    assert "from columns 'subject', 'message'; this time it is column 'message', as was asked" in found.notes[0]
    same = look(table(tmp_path), request=Request(input="subject,message", label="team"))
    assert same.notes == ("As in the fit: group 'thread'.",)


def test_columns_that_are_missing_are_named_and_guessed_anew(tmp_path: Path) -> None:
    found = look(table(tmp_path, "message,label\nwhere is it,post\ntoo high again,money\n"))
    assert found.items.raws == ("where is it", "too high again")
    assert found.labels == ("post", "money")
    said = " ".join(found.notes)
    assert "The fit took its input from columns 'subject', 'message', not all of which are here." in said
    assert "labels from column 'team'" in said
    assert "groups from column 'thread', not all of which are here. Without them each item counts for itself." in said


def test_where_nothing_can_be_guessed_the_error_names_the_columns_of_the_fit(tmp_path: Path) -> None:
    path = table(tmp_path, "one,two\nwhere is it now,why is it so\ntoo high again,too low again\n")
    with pytest.raises(ColumnError, match="the input of the table .*took its input from columns 'subject', 'message'"):
        look(path, request=Request(labelled=False))


def test_data_without_columns_are_read_as_ever(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (9, 9), "red").save(tmp_path / "photos" / label / "a.png")
    shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "photos")
    fitted = Columns("photo", "kind", "maker")
    for path in (tmp_path / "photos", tmp_path / "photos.zip"):
        found = look(path, fitted)
        assert found.labels == ("cat", "dog")
        assert not any("fit" in note for note in found.notes)
        with pytest.raises(ColumnError, match="has no columns, so --label 'x'"):
            look(path, fitted, Request(label="x"))


def test_tables_in_archives_and_arrays_are_read_by_them_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.write(table(tmp_path), "inside.csv")
    assert look(tmp_path / "t.zip").labels == ("post", "money", "post")
    np.savez(tmp_path / "a.npz", F=np.eye(4), kind=np.array(["a", "b"] * 2), y=np.arange(4))
    found = look(tmp_path / "a.npz", Columns("F", "kind", "batch"))
    assert found.labels == ("a", "b", "a", "b")
    assert "groups from column 'batch'" in " ".join(found.notes)


def test_a_prediction_joins_the_columns_of_the_fit(tmp_path: Path) -> None:
    found = gather([str(table(tmp_path))], "text", list, fitted=FITTED)
    assert [each.raw for each in found.items][:1] == ["my parcel\nwhere is it"]
    assert found.notes == ["As in the fit: input 'subject', 'message'."]
    found = gather([str(table(tmp_path))], "text", list, Request(input="message"), FITTED)
    assert found.items[0].raw == "where is it"
    assert "this time it is column 'message', as was asked" in found.notes[0]
    found = gather([str(table(tmp_path, "message\nwhere is it now\n"))], "text", list, fitted=FITTED)
    assert found.items[0].raw == "where is it now"
    assert "took its input from columns 'subject', 'message'" in found.notes[0]


def test_label_and_group_of_the_fit_are_no_features(tmp_path: Path) -> None:
    path = table(tmp_path, "a,b,c,kind,patient\n0.5,1e4,2020,1,7\n-0.5,1e4,2021,0,8\n")
    fitted = Columns(None, "kind", "patient", "day")
    found = gather([str(path)], "vector", list, fitted=fitted)
    assert [len(each.raw) for each in found.items if isinstance(each.raw, np.ndarray)] == [3, 3]
    write_bundle(tmp_path / "b", replace(vector_handover(), columns=fitted))
    data = read_data(path, Request(learned=False), Bundle.open(tmp_path / "b"))
    assert (data.labels, data.groups, len(data.items.raws[0])) == (("1", "0"), ("7", "8"), 3)  # type: ignore[arg-type]


def test_data_to_measure_on_are_read_by_the_columns_of_the_fit(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", replace(text_handover(), columns=FITTED))
    bundle = Bundle.open(tmp_path / "b")
    assert read_data(table(tmp_path), Request(), bundle).labels == ("post", "money", "post")
    bare = read_data(table(tmp_path), Request(), bundle, labels=False)
    assert bare.labels is None
    assert bare.items.raws[0] == "my parcel\nwhere is it"
    unfilled = table(tmp_path, HEAD + "where is it,my parcel,,1\ntoo high again,the bill,,2\n")
    told = read_data(unfilled, Request(), bundle)
    assert told.labels is None
    assert "not one of the 2 items has a label" in told.notes[-1]
    with pytest.raises(DataError, match="'kind'"):
        read_data(table(tmp_path), Request(label="kind"), bundle)
