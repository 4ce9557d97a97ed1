"""Tables: columns are guessed and the guess is said, doubt is an error with choices, bad rows are listed."""

from __future__ import annotations

import csv as csv_module
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("end", ["", 'a"\n', 'a",x\n'])
def test_quotes_that_never_match_are_read_in_linear_time(
    tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watched(lines: Iterable[str], **options: Any) -> Any:
        return reader((seen.append(len(line)) or line for line in lines), **options)

    reader = csv_module.reader
    monkeypatch.setattr("keiki.data.rows.csv.reader", watched)
    text = "text,label\nfine one,x\n" + 'a","\n' * 4000 + end + "fine two,y\n"
    found = read(csv(tmp_path, text))
    assert sum(seen) < 13 * len(text)  # as against 2,000 times
    assert (found.items.raws[0], found.items.raws[-1]) == ("fine one", "fine two")
    assert "quote" in reasons(found)["row 2 (line 3)"]
    assert any("every line was read as a row" in note for note in found.notes)


def test_cells_of_many_lines_are_not_read_again(tmp_path: Path) -> None:
    rows = "".join(f'"{"line" * 3}\n{"more" * 3}\n{i}",{"xy"[i % 2]}\n' for i in range(3000))
    found = read(csv(tmp_path, "text,label\n" + rows))
    assert len(found) == 3000
    assert not any("quotes" in note for note in found.notes)


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


def test_one_word_that_is_no_part_is_refused_rather_than_the_split_dropped(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,split\na,x,train\nb,y,train\nc,x,test\nd,y,exam\n")
    with pytest.raises(DataError, match="'exam' is no part that is known. Write dev, eval"):
        read(path)
    assert len(read(path, Request(labelled=False))) == 4
    assert read(csv(tmp_path, "text,label,split\na,x,train\nb,y,holdout\n")).parts == ("train", "test")


def test_numbers_of_classes_are_classes(tmp_path: Path) -> None:
    ids = "".join(f"text {i},{i % 40}\n" for i in range(320))
    assert len(set(read(csv(tmp_path, "text,kind\n" + ids), Request(label="kind")).labels or ())) == 40
    ages = "".join(f"text {i},{i}\n" for i in range(320))
    with pytest.raises(DataError, match="320 different numbers"):
        read(csv(tmp_path, "text,kind\n" + ages), Request(label="kind"))


def test_what_is_only_judged_may_have_any_labels(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,price\n" + "".join(f"text {i},{i * 1.5}\n" for i in range(50)))
    assert len(read(path, Request(label="price", learned=False))) == 50


def test_cells_that_say_nothing_make_no_group(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,who\na,x,NaN\nb,y,null\nc,x,p\nd,y,p\n")
    groups = read(path, Request(group="who")).groups
    assert groups is not None
    assert len(set(groups)) == 3


def test_files_that_were_named_are_never_taken_for_texts(tmp_path: Path) -> None:
    for i in range(4):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(tmp_path / f"{i}.dat", "PNG")
        (tmp_path / f"{i}.wav").write_bytes(b"RIFF....WAVE")
    path = csv(tmp_path, "photo,label\n" + "".join(f"{i}.dat,{'ab'[i % 2]}\n" for i in range(4)))
    assert read(path, Request(files=tmp_path, input="photo", label="label")).items.modality == "image"
    assert read(path, Request(files=tmp_path)).items.modality == "image"
    path = csv(tmp_path, "sound,label\n" + "".join(f"{i}.wav,{'ab'[i % 2]}\n" for i in range(4)))
    with pytest.raises(ColumnError, match="column 'sound' names no pictures or text files there"):
        read(path, Request(files=tmp_path, input="sound", label="label"))


def test_a_broken_line_of_names_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Line 1 of .*must name the columns, cannot be read"):
        read(csv(tmp_path, 'text,"label\na b,x\nc d,y\n'))


def test_bad_bytes_after_the_mark_of_utf8_are_said(tmp_path: Path) -> None:
    found = read(csv(tmp_path, b"\xef\xbb\xbftext,label\na b,x\ncaf\xe9 c,y\n"))
    assert found.items.raws == ("a b", "caf\ufffd c")
    assert any("damaged UTF-8 (line 3)" in note for note in found.notes)


def test_a_label_of_endless_digits_is_a_label(tmp_path: Path) -> None:
    from keiki.data.names import natural

    long = "7" * 5000
    found = read(csv(tmp_path, f"text,label\na,{long}\nb,8\n"))
    assert sorted(found.labels or (), key=natural) == ["8", long]


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
    assert len(read(path)) == 3  # found below the folder of the table as well, since each name is there once
    (tmp_path / "elsewhere").rename(tmp_path.parent / f"{tmp_path.name}-gone")
    with pytest.raises(ColumnError, match="--files FOLDER"):
        read(path)


def test_names_without_suffix_are_files_where_nothing_else_is_an_input(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a1.png", "train/b2.png", "train/c3.png", "train/d4.png")
    found = read(csv(tmp_path, "id,breed\na1,x\nb2,y\nc3,x\nd4,y\n"))
    assert found.items.modality == "image"
    assert any("'a1' is 'train/a1.png'" in note for note in found.notes)


def test_a_column_may_name_text_files(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.txt").write_text(f"text number {i}")
    found = read(csv(tmp_path, "file,label\n" + "".join(f"{i}.txt,{'ab'[i % 2]}\n" for i in range(4))))
    assert found.items.modality == "text"
    assert found.items.raws[2] == "text number 2"
    assert found.items.ids[2] == "2.txt"


def test_a_file_named_twice_is_two_items(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    found = read(csv(tmp_path, "file,label\n1.png,a\n2.png,b\n1.png,b\n"))
    assert found.items.ids == ("1.png", "2.png", "1.png (row 3)")


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
    assert found.labels == ("1", "True")
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


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_the_separator_that_a_table_names_is_taken(tmp_path: Path, line: str) -> None:
    found = read(csv(tmp_path, f"{line}\ntext;label\na, b;x\nc;d;y\ne;y\n"))
    assert found.items.raws == ("a, b", "e")
    assert reasons(found) == {"row 2 (line 4)": "3 cells instead of 2"}


def test_lines_of_nothing_but_separators_are_empty(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text;label;;\na b;x;;\n;;;\nc d;y;;\n;;;\n"))
    assert (found.items.ids, found.skipped) == (("row 1", "row 3"), ())


def test_empty_cells_too_many_do_no_harm(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,label\na b,x,\nc d,y,,\n"))
    assert (found.items.raws, found.skipped) == (("a b", "c d"), ())


def test_excels_unicode_text(tmp_path: Path) -> None:
    data = "text\tlabel\r\nGröße, Länge\tx\r\nplain\ty\r\n".encode("utf-16")
    found = read(csv(tmp_path, data, "tickets.txt"))
    assert found.items.raws == ("Größe, Länge", "plain")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(50), "a zip or a spreadsheet. Rename"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "an old or protected spreadsheet. Open it"),
        (b"PAR1" + bytes(50), "a Parquet file. Rename"),
        (b"\x1f\x8b" + bytes(50), "packed by gzip. Unpack"),
        (b"%PDF-1.4", "a PDF. Save"),
        (b"  <!DOCTYPE HTML><html>Sign in</html>", "a web page or XML. Perhaps a page to log in"),
        (bytes(range(1, 255)) * 4, "not a text"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(csv(tmp_path, content))


def test_more_columns_than_any_table_has_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2,000,000 columns; the limit is 16,384"):
        read(csv(tmp_path, b"," * 2_000_000 + b"\n1\n"))


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_json_nested_without_end_is_refused(tmp_path: Path, name: str) -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(DataError):
            read(csv(tmp_path, text, name))


def test_json_whose_rows_have_nothing_in_common_is_refused_before_it_is_laid_out(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": "a b", f"k{i}": i}) + "\n" for i in range(3000))
    with pytest.raises(DataError, match="3,000 rows of 3,001 columns, and only 6,000 cells are filled"):
        read(csv(tmp_path, lines, "data.jsonl"))
    cells = dict.fromkeys(map(str, range(10_000)), 1)
    with pytest.raises(DataError, match="the limit is 20,000,000 cells"):
        read(csv(tmp_path, json.dumps([cells] * 2001), "data.json"))


def test_gaps_in_most_columns_are_no_reason_to_refuse(tmp_path: Path) -> None:
    common = {"text": "some words", "label": "x"}
    rows = [{**common, "label": "xy"[i % 2], f"extra {i % 99}": i} for i in range(12_000)]
    assert len(read(csv(tmp_path, "\n".join(map(json.dumps, rows)), "data.jsonl"))) == 12_000


def test_json_lines_and_lists_whatever_the_suffix(tmp_path: Path) -> None:
    rows = [{"text": "a b", "label": "x"}, {"text": "c d", "label": "y"}]
    lines = "\n".join(map(json.dumps, rows))
    assert len(read(csv(tmp_path, lines, "data.json"))) == 2
    assert len(read(csv(tmp_path, json.dumps(rows, indent=1), "data.jsonl"))) == 2


def test_messages_can_be_printed_whatever_stands_in_the_cells(tmp_path: Path) -> None:
    with pytest.raises(ColumnError) as caught:
        read(csv(tmp_path, "a\x07\x1b[31m,b\nx\x00\x85 y and some words,z\nand more words,v\n"), Request(label="l\x00"))
    assert str(caught.value).isprintable()


def test_a_part_of_what_has_none_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label\na,x\nb,y\n")
    with pytest.raises(DataError, match="has no parts to choose from. Leave out '#Sheet2'"):
        read(Path(f"{path}#Sheet2"))
    assert len(read(csv(tmp_path, "text,label\na b,x\nc d,y\n", "a#b.csv"))) == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t.xls", "Save it as .xlsx"),
        ("t.tar.gz", "Unpack it"),
        ("t.pkl", "may run code"),
        ("t.docx", "Save the rows as a table"),
        ("t.png", "one picture; give the folder"),
        ("t.xyz", "They are: "),
    ],
)
def test_other_formats_are_refused_with_what_to_do(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(csv(tmp_path, b"x", name))


def test_times_are_read_from_the_column_that_is_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,day\na,x,2026-01-01\nb,,2026-01-02\nc,y,2026-01-03\n")
    found = read(path, Request(time="day"))
    assert found.times is not None
    assert found.times[1] - found.times[0] == 2 * 86_400
    assert read(path).times is None
    with pytest.raises(DataError, match="row 3"):
        read(csv(tmp_path, "text,label,day\na,x,2026-01-01\nb,y,2026-01-02\nc,y,soon\n"), Request(time="day"))


def test_rows_without_a_time_are_left_out_like_those_without_a_label(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,day\na,x,2026-01-01\nb,y,\nc,y,NaT\nd,,\ne,y,2026-01-03\n")
    found = read(path, Request(time="day"))
    assert reasons(found) == {"row 2": "no time", "row 3": "no time", "row 4": "no label"}
    assert found.items.raws == ("a", "e")
    assert [len(each or ()) for each in (found.labels, found.times)] == [2, 2]
    assert len(read(path)) == 4


def test_what_was_guessed_of_times_is_said(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,label,day\na,x,06/01/2025\nb,y,13/01/2025\n"), Request(time="day"))
    assert "Dates in column 'day' begin with the day: '06/01/2025' was taken for 2025-01-06." in found.notes


def test_rows_without_a_group_are_counted(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,who\na,x,p\nb,y,n/a\nc,y,p\nd,x,\n")
    found = read(path, Request(group="who"))
    assert any(note.startswith("2 of 4 rows have no value in column 'who'; each was taken") for note in found.notes)
    assert not any(
        "no value" in note for note in read(csv(tmp_path, "text,label,who\na,x,p\n"), Request(group="who")).notes
    )


def test_twins_are_told_how_to_become_one(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "text,label\na,Tools\nb,tools\n"))
    assert (
        "The classes 'Tools' and 'tools' differ by case alone and are kept apart; "
        "if they are one, write one of them in all cells of column 'label'."
    ) in found.notes


def test_groups_and_times_may_be_missing_where_they_were_named_for_other_data(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label\na,x\nb,y\n")
    found = read(path, Request(group="patient", time="day", strict=False))
    assert (found.groups, found.times) == (None, None)


def test_dates_are_not_guessed_to_be_the_label(tmp_path: Path) -> None:
    rows = "".join(f"words number {i},2026-01-0{1 + i % 2},{'xy'[i % 2]}\n" for i in range(12))
    found = read(csv(tmp_path, "was,tag_am,wer\n" + rows))
    assert set(found.labels or ()) == {"x", "y"}


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
