"""Checkpoints are whole or absent, recognised when damaged, and bound to one fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keiki.core.files import read_json, write_json
from keiki.core.record import Record
from keiki.training.checkpoint import KEPT, Checkpoints, State

IDENTITY = "a" * 64


class Kept:
    """Checkpoints, and the events that they gave rise to."""

    def __init__(self, folder: Path, identity: str = IDENTITY) -> None:
        self.events: list[dict[str, Any]] = []
        self.checkpoints = Checkpoints(folder, identity, Record(listeners=(self.events.append,)))

    def fill(self, n: int) -> None:
        for number in range(n):
            self.checkpoints.save(number, {"weight": np.full(3, number)}, {"number": number})

    def newest(self) -> State:
        found = self.checkpoints.newest()
        assert found is not None
        return found


def test_the_newest_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.checkpoints.newest() is None
    arrays = {"float": np.arange(6.0).reshape(2, 3).T, "whole": np.array([1, 2]), "single": np.float32([0.1])}
    kept.checkpoints.save(3, arrays, {"facts": {"deep": [1, None, "x"]}})
    found = kept.newest()
    assert found.values == {"facts": {"deep": [1, None, "x"]}}
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_only_the_last_ones_are_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.fill(5)
    assert len(list((tmp_path / IDENTITY[:16]).iterdir())) == KEPT
    assert kept.newest().values == {"number": 4}


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_one_is_passed_over_with_a_word(file: str, damage: str, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.fill(2)
    path = tmp_path / IDENTITY[:16] / "000001" / file
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        at = len(data) // 2
        path.write_bytes(data[:at] if damage == "cut" else data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    assert kept.newest().values == {"number": 0}
    assert [(each["event"], each["folder"]) for each in kept.events] == [("checkpoint damaged", "000001")]
    assert kept.events[0]["reason"]


def test_another_fit_finds_nothing(tmp_path: Path) -> None:
    Kept(tmp_path).fill(1)
    assert Kept(tmp_path, "b" * 64).checkpoints.newest() is None
    stranger = Kept(tmp_path, IDENTITY[:16] + "c" * 48)  # the same folder, by chance
    assert stranger.checkpoints.newest() is None
    assert stranger.events[0]["event"] == "checkpoint damaged"


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.fill(1)
    (tmp_path / IDENTITY[:16] / ".part-xyz").mkdir()
    assert kept.newest().values == {"number": 0}
    assert kept.events == []


def test_the_first_that_is_written_clears_what_killed_writers_left(tmp_path: Path) -> None:
    left, of_another = tmp_path / IDENTITY[:16] / ".part-xyz", tmp_path / ("b" * 16) / ".part-xyz"
    for folder in (left, of_another):
        folder.mkdir(parents=True)
        (folder / "state.safetensors").write_bytes(b"half")
    (left.parent / ".part-file").write_bytes(b"half")
    kept = Kept(tmp_path)
    assert kept.checkpoints.newest() is None
    assert left.exists()  # who only reads leaves all as it is
    kept.fill(1)
    assert [each.name for each in left.parent.iterdir()] == ["000000"]
    assert of_another.exists()
    left.mkdir()
    kept.fill(2)
    assert left.exists()  # of this process, from now on


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["values"].update(number=7),
        lambda content: content.pop("values"),
        lambda content: content.update(values=[]),
        lambda content: content.update(digest="0" * 64),
    ],
)
def test_values_that_are_not_what_was_written_are_passed_over(change: Any, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.fill(2)
    path = tmp_path / IDENTITY[:16] / "000001" / "state.json"
    content = read_json(path)
    change(content)
    write_json(path, content)
    assert kept.newest().values == {"number": 0}
    assert [event["event"] for event in kept.events] == ["checkpoint damaged"]
