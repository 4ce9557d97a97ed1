"""The run folder belongs to one run; nothing of the user's own is ever touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from keiki.core.errors import DataError, RequestError
from keiki.pipeline.fit import Run
from keiki.pipeline.folder import DONE, REQUEST, cut_run, open_folder, point_to, slug, withdraw
from keiki.pipeline.request import FitRequest


def test_numbers_count_up_and_no_two_runs_share_one() -> None:
    request = FitRequest(data="/data/My Photos")
    assert [open_folder(request) for _ in range(3)] == [Path(f"runs/my-photos-{n}") for n in (1, 2, 3)]


def test_a_very_long_name_still_makes_a_folder() -> None:
    assert open_folder(FitRequest(data="/data/" + "ä" * 200)).is_dir()
    assert slug("!?") == "run"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["mine.txt"], "is not empty. Name another by --out."),
        ([REQUEST], "go on with it by --resume --out there"),
        ([REQUEST, DONE], "holds a finished run. Name another by --out."),
    ],
)
def test_a_place_that_is_taken_is_refused(files: list[str], words: str) -> None:
    Path("there").mkdir()
    for name in files:
        Path("there", name).write_text("{}")
    with pytest.raises(RequestError) as caught:
        open_folder(FitRequest(data="/data", out="there"))
    assert words in str(caught.value)
    assert sorted(each.name for each in Path("there").iterdir()) == sorted(files)


def test_a_place_that_cannot_be_made_is_refused() -> None:
    Path("file").write_text("")
    for out in ("file", "file/inside", "x" * 300):
        with pytest.raises(RequestError, match="--out"):
            open_folder(FitRequest(data="/data", out=out))
    Path("runs").write_text("a file that is called like the folder of runs")
    with pytest.raises(RequestError, match="'runs' cannot be made"):
        open_folder(FitRequest(data="/data"))


def test_a_refused_request_takes_back_only_what_is_its_own() -> None:
    folder = open_folder(FitRequest(data="/data", out="run"))
    withdraw(folder)
    assert not folder.exists()
    folder = open_folder(FitRequest(data="/data", out="run"))
    (folder / "mine.txt").write_text("")
    withdraw(folder)
    assert [each.name for each in folder.iterdir()] == ["mine.txt"]


def test_a_refused_request_with_checkpoints_is_kept() -> None:
    folder = open_folder(FitRequest(data="/data", out="run"))
    (folder / "checkpoints").mkdir()
    withdraw(folder)
    assert (folder / REQUEST).exists()


def test_last_follows_the_newest_run() -> None:
    for name in ("a", "b"):
        Path("runs", name).mkdir(parents=True)
        point_to(Path("runs", name))
        assert os.readlink("runs/last") == name


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_last_of_the_users_own_is_left_alone(what: str) -> None:
    Path("run").mkdir()
    if what == "file":
        Path("last").write_text("my notes")
    else:
        Path("last").mkdir()
    point_to(Path("run"))
    assert not Path("last").is_symlink()
    assert what == "folder" or Path("last").read_text() == "my notes"


def test_where_links_are_not_to_be_had_a_file_names_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("os.symlink", refused)
    for name in ("a", "b"):
        open_folder(FitRequest(data="/data", out=f"runs/{name}"))
        point_to(Path("runs", name))
        assert Path("runs/last").read_text() == name


def test_the_newest_cut_run_is_found() -> None:
    for name in ("old", "new", "done"):
        open_folder(FitRequest(data="/data", out=f"runs/{name}"))
    os.utime(Path("runs/old", REQUEST), (1, 1))
    Path("runs/done", DONE).write_text("{}")
    point_to(Path("runs/done"))
    assert cut_run() == Path("runs/new")


def test_a_wrong_path_leaves_no_folder_and_the_next_try_has_its_name(texts: Path, quick: Callable[..., Run]) -> None:
    with pytest.raises(DataError, match=r"Did you mean '.*texts.csv'"):
        quick(Path("text.csv").resolve())
    assert not Path("run").exists()
    assert quick(texts).folder.name == "run"
