"""What a person names is found, in natural order; what is not there is said, and stops nothing."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from keiki.core.errors import DataError
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
    assert gather([name, "b.png"], "image", no_lines).items[0].error


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to predict"):
        gather([str(tmp_path)], "image", no_lines)


def test_lines_of_standard_input_are_texts_or_paths() -> None:
    texts = gather(["-"], "text", lambda: ["one\n", "\n", "two\r\n"])
    assert [(each.name, each.raw) for each in texts.items] == [("line 1", "one"), ("line 3", "two")]
    assert gather(["-"], "image", lambda: ["a b.png\n"]).items[0].raw == Path("a b.png")


def test_a_sentence_is_a_text_and_a_typing_error_is_not() -> None:
    found = gather(["where is my parcel", "parcels.csv", "my parcels.csv", "parcel"], "text", no_lines)
    assert [each.raw for each in found.items] == ["where is my parcel", None, None, None]
    assert len(found.notes) == 1


def test_a_text_file_is_one_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffone\ntwo", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xff")
    found = gather([str(tmp_path)], "text", no_lines)
    assert found.items[0].raw == "one\ntwo"
    assert found.items[1].error == "not a text in UTF-8"


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


def test_names_that_are_not_unicode_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / b"caf\xe9.png".decode("utf-8", "surrogateescape")
    path.write_bytes(b"x")
    gather([str(tmp_path)], "image", no_lines).items[0].name.encode("utf-8")
