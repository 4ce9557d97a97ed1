"""A cell names a file as it stands, or up to what machines disagree about; never where several files fit."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from keiki.data.sources import places
from keiki.data.sources.places import Places, is_file


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        ("a/1.png", "a/1.png"),
        ("a\\1.png", "a/1.png"),
        ("A/1.PNG", "a/1.png"),
        ("./a/1.png", "a/1.png"),
        ("2.png", "a/b/2.png"),
        ("b/2.png", "a/b/2.png"),
        ("a/b/2", "a/b/2.png"),
        ("2", "a/b/2.png"),
        (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png")),
        (unicodedata.normalize("NFD", "ü.png"), unicodedata.normalize("NFC", "ü.png")),
    ],
)
def test_a_name_finds_its_file(tmp_path: Path, cell: str, file: str) -> None:
    nfd, nfc = unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "ü.png")
    put(tmp_path, "a/1.png", "a/b/2.png", nfd, nfc)
    [found] = Places(tmp_path).find([cell])
    assert is_file(found)
    assert found.samefile(tmp_path / file)


@pytest.mark.parametrize("cell", ["twin.png", "Case.png", "c/1.png", "", "x" * 5000, "a\x00b", "../a/1.png", "no"])
def test_what_fits_no_file_or_several_is_not_found(tmp_path: Path, cell: str) -> None:
    put(tmp_path, "a/twin.png", "b/twin.png", "CASE.png", "case.png", "a/1.png", "no.png", "no.jpg")
    assert not is_file(Places(tmp_path).find([cell])[0])


def test_a_file_where_it_should_be_goes_before_others_of_its_name(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "backup/1.png")
    assert Places(tmp_path).find(["1.PNG"]) == [tmp_path / "1.png"]


def test_absolute_paths_of_another_machine_lose_what_they_share(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")
    cells = [f"C:\\Users\\ada\\photos\\{name}" for name in ("cat\\1.png", "dog\\1.png", "dog\\2.png")]
    names = [path.relative_to(tmp_path).as_posix() for path in Places(tmp_path).find(cells)]
    assert names == ["cat/1.png", "dog/1.png", "dog/2.png"]


def test_an_absolute_path_that_is_there_stays(tmp_path: Path) -> None:
    file = put(tmp_path / "elsewhere", "1.png") / "1.png"
    assert Places(tmp_path / "base").find([str(file)]) == [file]


@pytest.mark.parametrize("name", ["secret/0.txt", "../secret/0.txt", "../../../../secret/0.txt", "absolute"])
def test_a_table_out_of_an_archive_names_nothing_outside(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    secret = put(tmp_path, "secret/0.txt", "cache/unpacked/secret/0.txt") / "secret" / "0.txt"
    home = put(tmp_path / "cache" / "unpacked" / "key" / "files", "tables/t.csv", "images/1.png")
    cell = str(secret) if name == "absolute" else name
    for place in (home, home / "tables"):
        assert not is_file(Places(place).plain(cell))
        assert not is_file(Places(place).find([cell, cell.replace("/", "\\")])[0])
    assert is_file(Places(home / "tables").find(["../images/1.png"])[0])
    assert Places(tmp_path).plain(str(secret)) == secret


def test_absolute_names_of_this_machine_are_looked_for_in_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    put(tmp_path / "photos", "cat/1.png", "dog/2.png")
    home = put(tmp_path / "cache" / "unpacked" / "key" / "files", "cat/1.png", "dog/2.png")
    cells = [str(tmp_path / "photos" / each) for each in ("cat/1.png", "dog/2.png")]
    assert Places(home).find(cells) == [home / "cat/1.png", home / "dog/2.png"]


def test_files_that_the_user_named_may_lie_outside_of_the_archive_but_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    put(tmp_path, "photos/1.png", "secret.png")
    table = tmp_path / "cache" / "unpacked" / "key" / "files" / "t.csv"
    asked = Places(tmp_path / "photos", table)
    assert is_file(asked.plain("1.png"))
    assert not is_file(asked.plain("../secret.png"))
    assert not is_file(asked.plain(str(tmp_path / "secret.png")))


def test_other_spellings_are_said(tmp_path: Path) -> None:
    put(tmp_path, "img/1.png", "img/2.png")
    home = Places(tmp_path)
    cells = ["1.png", "img/2.png"]
    assert home.said("file", cells, home.find(cells)) == (
        "One name in column 'file' fit a file that is spelled otherwise: '1.png' is 'img/1.png'.",
    )
    assert home.said("file", cells[1:], home.find(cells[1:])) == ()


def test_a_folder_is_listed_once_and_only_where_a_name_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/1.png", "a/2.png")
    calls = []
    monkeypatch.setattr(places, "_index", lambda base: calls.append(base) or {})
    home = Places(tmp_path)
    home.find(["a/1.png", "a\\2.png"])
    assert calls == []
    home.find(["1.png"])
    home.find(["2.png", "3.png"])
    assert calls == [tmp_path]


def test_an_endless_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/1.png", "a/2.png", "a/3.png")
    monkeypatch.setattr(places, "MOST_FILES", 2)
    assert not is_file(Places(tmp_path).find(["1.png"])[0])
    assert is_file(Places(tmp_path).find(["a/1.png"])[0])
