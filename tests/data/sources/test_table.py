"""Tables: columns are guessed and the guess is said, doubt is an error with choices, bad rows are listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from keiki.core.errors import ColumnError, DataError
from keiki.core.files import sha256_bytes
from keiki.data.sources.base import Request, read
from keiki.data.task import Dataset


def csv(tmp_path: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def reasons(dataset: Dataset) -> dict[str, str]:
    return {each.id: each.reason for each in dataset.skipped}


def test_named_columns_are_taken_and_said(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "id,text,label\n1,good film,pos\n2,bad film,neg\n"))
    assert found.items.raws == ("good film", "bad film")
    assert found.items.ids == ("row 1", "row 2")
    assert found.items.digests[0] == sha256_bytes(b"good film")
    assert found.labels == ("pos", "neg")
    assert found.items.modality == "text"
    assert "Column 'text' was taken for the input, by its name." in found.notes
    assert "Column 'label' was taken for the label, by its name." in found.notes


def test_columns_are_guessed_by_what_they_hold(tmp_path: Path) -> None:
    rows = "".join(f"{i},words number {i} here,{'xy'[i % 2]}\n" for i in range(12))
    found = read(csv(tmp_path, "nr,was,wie\n" + rows))
    assert found.items.raws[3] == "words number 3 here"
    assert found.labels is not None
    assert set(found.labels) == {"x", "y"}
    assert any("the one that holds texts" in note for note in found.notes)
    assert any("few different values" in note for note in found.notes)


def test_request_decides(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,title,label,kind\na b,t1,x,1\nc d,t2,y,2\n")
    found = read(path, Request(input="title", label="kind"))
    assert found.items.raws == ("t1", "t2")
    assert found.labels == ("1", "2")
    assert read(path, Request(input="title,text")).items.raws[0] == "t1\na b"


def test_doubt_lists_the_choices_with_examples(tmp_path: Path) -> None:
    path = csv(tmp_path, "review,message,label\nfirst one,second one,x\nmore words,less words,y\n")
    with pytest.raises(ColumnError, match=r"'review' \(e.g. 'first one'\), 'message' .*--input review"):
        read(path)
    path = csv(tmp_path, "text,class,category\na b,x,u\nc d,y,v\n")
    with pytest.raises(ColumnError, match=r"label of the table 'data.csv': 'class' .*'category' .*--label class"):
        read(path)


def test_missing_column_offers_the_near_miss(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label\na,b\n")
    with pytest.raises(ColumnError, match=r"no column 'lable' for --label. Did you mean 'label'\?"):
        read(path, Request(label="lable"))
    with pytest.raises(ColumnError, match="--input"):
        read(path, Request(input="text,body"))
    with pytest.raises(ColumnError, match="--group"):
        read(path, Request(group="patient"))


def test_label_may_be_missing_where_none_is_asked_for(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text\nhello there\n"), Request(labelled=False))
    assert found.labels is None
    with pytest.raises(ColumnError, match="no column left for the labels"):
        read(csv(tmp_path, "text\nhello there\n"))


def test_input_and_label_must_differ(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="the input and the label"):
        read(csv(tmp_path, "text,label\na,b\n"), Request(input="text", label="text"))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_recognised_and_said(tmp_path: Path, delimiter: str) -> None:
    rows = [["text", "label"], ["one, two", "x"], ["three, four, five", "y"], ["six", "x"]]
    found = read(csv(tmp_path, "\n".join(delimiter.join(row) for row in rows)))
    assert found.items.raws[0] == "one, two"
    assert any("separated by" in note for note in found.notes)


def test_tsv_needs_no_remark(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text\tlabel\na, b\tx\nc, d\ty\n", "data.tsv"))
    assert found.items.raws == ("a, b", "c, d")
    assert not any("separated" in note for note in found.notes)


def test_ragged_rows_are_listed_with_their_line(tmp_path: Path) -> None:
    found = read(csv(tmp_path, 'text,label\n"two\nlines",x\na,b,c\nfine,y\nshort\n\nlast,x\n'))
    assert found.items.raws == ("two\nlines", "fine", "last")
    assert found.items.ids == ("row 1", "row 3", "row 5")
    assert reasons(found) == {"row 2 (line 4)": "3 cells instead of 2", "row 4 (line 6)": "1 cells instead of 2"}


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    found = read(csv(tmp_path, 'text,label\nfine one,x\n"open,y\nfine two,x\nfine three,y\n'))
    assert found.items.raws == ("fine one", "fine two", "fine three")
    assert list(reasons(found)) == ["row 2 (line 3)"]
    assert "quote" in reasons(found)["row 2 (line 3)"]


def test_a_quote_that_closes_rows_later_costs_one_row(tmp_path: Path) -> None:
    found = read(csv(tmp_path, 'text,label\n"open,y\nfine two,x\nsays "hi",y\n"quoted, well",x\n'))
    assert found.items.raws == ("fine two", 'says "hi"', "quoted, well")


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8-sig", ""), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE"), ("cp1252", "Windows-1252")],
)
def test_encodings(tmp_path: Path, encoding: str, said: str) -> None:
    found = read(csv(tmp_path, "text,label\nGröße € naïve,größe\nplain words,b\n".encode(encoding)))
    assert found.items.raws[0] == "Größe € naïve"
    assert found.labels == ("größe", "b")
    assert bool(said) == any(said in note for note in found.notes if said)


def test_latin1_where_windows_has_no_letter(tmp_path: Path) -> None:
    found = read(csv(tmp_path, b"text,label\n\xe4\x81 word,a\nother word,b\n"))
    assert any("Latin-1" in note and "line 2" in note for note in found.notes)


def test_damaged_utf16_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="damaged"):
        read(csv(tmp_path, "text,label\na,b\n".encode("utf-16") + b"\x00\xd8\x00"))


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "null", "N/A", "  "])
def test_rows_without_label_are_listed(tmp_path: Path, missing: str) -> None:
    found = read(csv(tmp_path, f"text,label\none,x\ntwo,{missing}\nthree,y\n"))
    assert found.labels == ("x", "y")
    assert reasons(found) == {"row 2": "no label"}


def test_none_and_na_are_names(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "text,label\na,None\nb,NA\n")).labels == ("None", "NA")


def test_empty_texts_are_listed(tmp_path: Path) -> None:
    assert reasons(read(csv(tmp_path, "text,label\none,x\n  ,y\n,x\n"))) == {
        "row 2": "empty text",
        "row 3": "empty text",
    }


def test_numbers_may_be_classes_but_quantities_are_refused(tmp_path: Path) -> None:
    stars = "".join(f"text {i},{i % 5}\n" for i in range(50))
    assert set(read(csv(tmp_path, "text,stars\n" + stars)).labels or ()) == set("01234")
    prices = "".join(f"text {i},{i * 1.5}\n" for i in range(50))
    with pytest.raises(DataError, match="50 different numbers"):
        read(csv(tmp_path, "text,price\n" + prices), Request(label="price"))


def test_split_column_is_honoured_and_said(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,label,split\na,x,train\nb,y,VALIDATION\nc,x,test\nd,x,\n"))
    assert found.parts == ("train", "val", "test", "")
    assert any("'split'" in note for note in found.notes)


def test_split_column_with_other_values_is_an_ordinary_column(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "text,label,split\na,x,left\nb,y,right\n")).parts == ("", "")


def test_groups_only_where_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,patient\na,x,p1\nb,y,p1\nc,x,\nd,x,\n")
    assert read(path).groups is None
    groups = read(path, Request(group="patient")).groups
    assert groups is not None
    assert groups[0] == groups[1] == "p1"
    assert groups[2] != groups[3]


def test_classes_are_spelled_one_way(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,label\na,cafe\u0301 \nb,caf\u00e9\nc,CAF\u00c9\n"))
    assert found.labels == ("caf\u00e9", "caf\u00e9", "CAF\u00c9")
    assert any("case alone" in note for note in found.notes)


def pictures(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i, 0, 0)).save(folder / name)


def test_file_column_beside_the_table(tmp_path: Path) -> None:
    pictures(tmp_path, "img/1.png", "img/2.png")
    found = read(csv(tmp_path, "name,label,file_name\nx y,a,img/1.png\nz w,b,img/2.png\n"))
    assert found.items.modality == "image"
    assert found.items.ids == ("img/1.png", "img/2.png")
    assert found.items.raws == (tmp_path / "img/1.png", tmp_path / "img/2.png")
    assert any("names of pictures" in note for note in found.notes)


def test_file_column_below_another_folder(tmp_path: Path) -> None:
    pictures(tmp_path / "elsewhere", "1.png", "2.png", "3.png")
    (tmp_path / "elsewhere/broken.png").write_text("<html>")
    path = csv(tmp_path, "image,label\n1.png,a\n2.png,b\n3.png,a\nbroken.png,b\ngone.png,a\n")
    found = read(path, Request(files=tmp_path / "elsewhere"))
    assert len(found) == 3
    assert reasons(found)["gone.png"] == "no such file"
    assert reasons(found)["broken.png"].startswith("not a picture")
    with pytest.raises(ColumnError, match="--files FOLDER"):
        read(path)


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"text": "a\u2028b", "label": 1},
        {"text": "c", "label": True},
        {"label": "x"},
        {"text": "d", "label": None},
    ]
    lines = [json.dumps(row) for row in rows]
    found = read(csv(tmp_path, "\n".join([*lines, "{broken", "[1]", ""]), "data.jsonl"))
    assert found.items.raws == ("a\u2028b", "c")
    assert found.labels == ("1", "true")
    assert reasons(found) == {
        "row 3": "empty text",
        "row 4": "no label",
        "row 5": "not JSON",
        "row 6": "not an object with named values",
    }


def test_json_list_of_objects(tmp_path: Path) -> None:
    rows = [{"text": "a b", "label": "x"}, {"text": "c d", "label": "y"}]
    assert len(read(csv(tmp_path, json.dumps(rows), "data.json"))) == 2
    with pytest.raises(DataError, match="not JSON"):
        read(csv(tmp_path, "{", "data.json"))


def test_large_cells_nul_and_odd_line_ends(tmp_path: Path) -> None:
    big = "word " * 300_000
    found = read(csv(tmp_path, f"text,label\r\n{big},x\r\na\x00b,y\r\nu\u2028v,x\r\n"))
    assert len(str(found.items.raws[0])) == len(big)
    assert found.items.raws[1:] == ("a b", "u\u2028v")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"text,label\n", b"\x00\x00"])
def test_tables_without_rows_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError):
        read(csv(tmp_path, content))


def test_a_table_without_a_line_of_names_is_recognised(tmp_path: Path) -> None:
    rows = "".join(f"words number {i} here,{'xy'[i % 2]}\n" for i in range(12))
    with pytest.raises(DataError, match="looks like an item of class 'x'"):
        read(csv(tmp_path, rows))


def test_rows_without_label_are_no_loss_where_none_are_needed(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,label\none a,x\ntwo b,\n"), Request(labelled=False))
    assert (len(found), found.labels, found.skipped) == (2, None, ())


def test_back_slashes_in_file_names_are_understood(tmp_path: Path) -> None:
    pictures(tmp_path, "img/1.png", "img/2.png")
    found = read(csv(tmp_path, "file,label\nimg\\1.png,a\nimg\\2.png,b\n"))
    assert found.items.raws == (tmp_path / "img/1.png", tmp_path / "img/2.png")


def test_what_utf8_cannot_hold_is_replaced(tmp_path: Path) -> None:
    found = read(csv(tmp_path, '{"text": "bad \\ud800 end", "label": "\\udfff"}\n', "data.jsonl"))
    assert found.items.raws == ("bad \ufffd end",)
    assert found.labels == ("\ufffd",)


def test_impossible_paths_are_missing_not_tracebacks() -> None:
    for name in ("x" * 5000, "a\x00b"):
        with pytest.raises(DataError, match="No such file or folder"):
            read(Path(name))


def test_repeated_and_nameless_columns_can_be_named(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,,text\na,x,b\nc,y,d\n"), Request(input="text (2)", label="column 2"))
    assert found.items.raws == ("b", "d")


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    good = b'text,label\n"a ""b""",x\nc d,y\n"e\nf",x\ng,y\n'
    for i in range(150):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), size=3):
            bad[at] = rng.choice(list(b'",\n\r;\t\x00\xff\xe9a'))
        try:
            read(csv(tmp_path, bytes(bad), f"{i}.csv"), Request(input="text", label="label"))
        except DataError:
            continue
