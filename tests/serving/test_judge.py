"""A model is measured on what it has not seen, by class name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import DataError
from keiki.data.sources.base import Request, read
from keiki.serving.judge import judge, labelled, unseen
from keiki.testing.bundles import image_handover, paint


def test_accuracy_is_the_share_of_right_answers(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path, copies=4)
    (tmp_path / "red" / "3.png").rename(tmp_path / "blue" / "9.png")  # one lie
    data = read(tmp_path, Request())
    found = judge(Bundle.open(image_bundle), data, metric=None, positive=None, seed=0)
    assert found["n"] == 12
    assert found["test"]["accuracy"]["value"] == pytest.approx(11 / 12)
    assert found["unreadable"] == []


def test_a_split_that_lacks_a_class_shifts_nothing(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    for path in (tmp_path / "blue").iterdir():
        path.unlink()
    (tmp_path / "blue").rmdir()
    found = judge(Bundle.open(image_bundle), read(tmp_path, Request()), metric=None, positive=None, seed=0)
    assert found["test"]["accuracy"]["value"] == 1.0


def test_unknown_classes_are_listed(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    (tmp_path / "red").rename(tmp_path / "crimson")
    with pytest.raises(DataError, match="'crimson'.*'red'"):
        labelled(read(tmp_path, Request()), Bundle.open(image_bundle))


def test_items_of_the_fit_are_left_out(pictures: Path, tmp_path: Path) -> None:
    paint(tmp_path / "data", copies=3)
    data = read(tmp_path / "data", Request())
    write_bundle(tmp_path / "b", replace(image_handover(pictures), seen=data.items.digests[:4]))
    bundle = Bundle.open(tmp_path / "b")
    assert len(unseen(data, bundle)) == len(data) - 4
    with pytest.raises(DataError, match="seen all 4 items"):
        unseen(data.take(np.arange(4)), bundle)


def test_a_broken_picture_is_listed_and_stops_nothing(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    good = (tmp_path / "red" / "0.png").read_bytes()
    (tmp_path / "red" / "broken.png").write_bytes(good[: len(good) // 2])
    found = judge(Bundle.open(image_bundle), read(tmp_path, Request()), metric=None, positive=None, seed=0)
    assert found["n"] == 6
    assert [each["id"] for each in found["unreadable"]] == ["red/broken.png"]


def test_unlabelled_data_prove_nothing(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    data = replace(read(tmp_path, Request()), labels=None)
    with pytest.raises(DataError, match="no labels"):
        labelled(data, Bundle.open(image_bundle))
