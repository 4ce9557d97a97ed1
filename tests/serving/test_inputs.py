"""What a person names is found, in natural order; what is not there is said, and stops nothing."""

import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from keiki.core.errors import DataError, RequestError
from keiki.data.sources.base import Request
from keiki.serving.inputs import Inputs, gather


def no_lines() -> Iterable[str]:
    raise AssertionError("standard input was not asked for")


def names(found: Inputs) -> list[str]:
    return [each.name for each in found.items]


def test_folders_are_read_in_natural_order_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    for name in ("img10.png", "img9.JPG", "sub/a.webp", "notes.txt", ".hidden.png", ".git/x.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = gather([str(tmp_path)], "image", no_lines)
    assert [Path(name).name for name in names(found)] == ["img9.JPG", "img10.png", "a.webp"]
    assert found.notes[0].startswith("1 other files")


def test_a_link_that_leads_back_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = gather([str(tmp_path)], "image", no_lines)
    assert len(found.items) == 1
    assert "was not entered" in found.notes[0]


def test_files_of_any_suffix_are_tried_when_named(tmp_path: Path) -> None:
    path = tmp_path / "photo.unknown"
    path.write_bytes(b"x")
    assert gather([str(path)], "image", no_lines).items[0].raw == path


def test_a_missing_file_is_an_item_with_an_error() -> None:
    (item,) = gather(["gone.png"], "image", no_lines).items
    assert item.raw is None
    assert item.error == "no such file or folder"


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "a/" * 3000])
def test_impossible_paths_are_errors_of_their_own(name: str) -> None:
    assert gather([name, "b.png"], "image", no_lines).items[0].error == "no such file or folder"


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to predict"):
        gather([str(tmp_path)], "image", no_lines)


def test_lines_of_standard_input_are_texts_or_paths() -> None:
    texts = gather(["-"], "text", lambda: ["one\n", "\n", "two\r\n"])
    assert [(each.name, each.raw) for each in texts.items] == [("line 1", "one"), ("line 3", "two")]
    assert gather(["-"], "image", lambda: ["a b.png\n"]).items[0].raw == Path("a b.png")


def test_a_sentence_is_a_text_and_a_typing_error_is_not() -> None:
    said = ["where is my parcel", "please look at example.com"]
    found = gather([*said, "parcels.csv", "my parcels.csv", "parcel"], "text", no_lines)
    assert [each.raw for each in found.items] == [*said, None, None, None]
    assert len(found.notes) == 2


def test_a_text_file_is_one_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffone\ntwo", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xff")
    found = gather([str(tmp_path)], "text", no_lines)
    assert found.items[0].raw == "one\ntwo"
    assert "looks like UTF-16" in found.items[1].error


def test_a_table_gives_its_input_column(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,message\n1,first text\n2,second text\n", encoding="utf-8")
    found = gather([str(table)], "text", no_lines, Request(input="message"))
    assert [each.raw for each in found.items] == ["first text", "second text"]


def test_a_table_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("message\nfirst text\nsecond text\n", encoding="utf-8")
    with pytest.raises(DataError, match="model takes 'image'"):
        gather([str(table)], "image", no_lines, Request(input="message"))


def test_the_order_of_a_table_is_kept_where_rows_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("message,id\nfirst a,1\n,2\nragged,3,4\nsecond b,5\n ,6\n", encoding="utf-8")
    found = gather([str(tmp_path / "t.csv")], "text", no_lines, Request(input="message"))
    assert names(found) == ["row 1", "row 2", "row 3 (line 4)", "row 4", "row 5"]
    assert [bool(each.error) for each in found.items] == [False, True, True, False, True]


def test_several_columns_are_joined_as_in_training(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("subject,body\nparcel,where is it\nbill,too high\n", encoding="utf-8")
    found = gather([str(tmp_path / "t.csv")], "text", no_lines, Request(input="subject,body"))
    assert [each.raw for each in found.items] == ["parcel\nwhere is it", "bill\ntoo high"]


def test_zips_spreadsheets_and_parquet_are_tables_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    import pyarrow as pa
    import pyarrow.parquet as pq
    from openpyxl import Workbook
    from PIL import Image

    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "photos/a.png")
        archive.writestr("photos/b.png", "broken")
    found = gather([str(tmp_path / "new.zip")], "image", no_lines, Request(input="message"))
    assert [(each.name, bool(each.error)) for each in found.items] == [("photos/a.png", False), ("photos/b.png", True)]
    pq.write_table(pa.table({"message": ["one text"]}), tmp_path / "t.parquet")
    book = Workbook()
    for title in ("A", "B"):
        sheet = book.create_sheet(title)
        sheet.append(["message", "id"])
        sheet.append([f"text {title}", 1])
    book.save(tmp_path / "t.xlsx")
    named = [str(tmp_path / "t.parquet"), f"{tmp_path / 't.xlsx'}#B"]
    found = gather(named, "text", no_lines, Request(input="message"))
    assert [each.raw for each in found.items] == ["one text", "text B"]


def test_files_without_suffix_are_items_where_a_folder_holds_nothing_else(tmp_path: Path) -> None:
    for name in ("10", "9"):
        (tmp_path / name).write_text(f"text {name}")
    assert [each.raw for each in gather([str(tmp_path)], "text", no_lines).items] == ["text 9", "text 10"]


def test_rows_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    found = gather([str(tmp_path / "t.csv"), "-"], "vector", lambda: ["5, 6\n", "x\n"])
    assert [None if each.raw is None else list(each.raw) for each in found.items] == [[1, 2], [3, 4], [5, 6], None]


def test_names_that_are_not_unicode_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / b"caf\xe9.png".decode("utf-8", "surrogateescape")
    path.write_bytes(b"x")
    assert gather([str(tmp_path)], "image", no_lines).items[0].name == f"{tmp_path}/caf\ufffd.png"


def picture(path: Path) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(path, "PNG")
    return path


def test_pictures_are_found_as_a_fit_finds_them_whatever_they_are_called(tmp_path: Path) -> None:
    from keiki.data.sources.base import read

    for name in ("a.png", "b", "sub/c.dat", "sub/d", "linked/e"):
        picture(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes").write_text("no picture")
    picture(tmp_path / "elsewhere" / "f")
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "elsewhere")
    found = gather([str(tmp_path / "photos")], "image", no_lines)
    fitted = read(tmp_path / "photos", Request(labelled=False))
    assert names(found) == [str(tmp_path / "photos" / name) for name in fitted.items.ids]
    assert len(found.items) == 6
    assert found.notes == [f"1 other files in '{tmp_path / 'photos'}' were left out; {WHATEVER}."]


WHATEVER = "pictures are read, whatever they are called"


@pytest.mark.parametrize("empty", ["", "  ", "\t"])
def test_an_empty_argument_is_refused_rather_than_this_folder_read(empty: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Input 2 of 2 is empty"):
        gather(["a red apple", empty], "text", no_lines)


@pytest.mark.parametrize("word", ["hello", "naïve", "it's", "Really?"])
def test_a_single_word_is_told_how_to_be_a_text(word: str) -> None:
    (item,) = gather([word], "text", no_lines).items
    assert item.error.startswith("no such file or folder; to read one word as a text:  echo ")
    command = item.error.partition("echo ")[2].partition(" | keiki predict RUN -")[0]
    assert shlex.split(command) == [word]
    assert gather([word, "b.png"], "image", no_lines).items[0].error == "no such file or folder"
    assert gather(["a/b", "gone.csv"], "text", no_lines).items[1].error == "no such file or folder"
