"""A model is measured on what it has not seen, by class name."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.writer import write_bundle
from keiki.core.errors import DataError, RequestError
from keiki.core.files import sha256_bytes
from keiki.data.sources.base import Request, read
from keiki.serving.judge import judge, labelled, read_data, unseen, watch
from keiki.testing.bundles import image_handover, paint, text_handover


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


def test_classes_that_are_all_unknown_are_refused_and_listed(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    for name in ("red", "green", "blue"):
        (tmp_path / name).rename(tmp_path / f"dark {name}")
    with pytest.raises(DataError, match="'dark blue', 'dark green', 'dark red'.*'red'"):
        labelled(read(tmp_path, Request()), Bundle.open(image_bundle))


def test_items_of_unknown_classes_are_counted_and_the_others_judged(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path, copies=4)
    (tmp_path / "red").rename(tmp_path / "crimson")
    shutil.copytree(tmp_path / "crimson", tmp_path / "a b c")
    (tmp_path / "a b c" / "0.png").write_bytes(b"broken")
    data = read(tmp_path, Request())
    found = judge(Bundle.open(image_bundle), data, metric=None, positive=None, seed=0)
    assert found["unknown"] == {"a b c": 3, "crimson": 4}
    assert found["n"] == 8
    assert found["test"]["accuracy"]["value"] == 1.0
    assert found["drift"]["classes"]["shares"]  # of all items: new classes are a drift
    known = [row for row, label in enumerate(data.labels or ()) if label in ("blue", "green")]
    alone = judge(Bundle.open(image_bundle), data.take(known), metric=None, positive=None, seed=0)
    assert alone["test"]["accuracy"] == found["test"]["accuracy"]


def test_near_copies_are_counted_and_left_out_for_a_second_figure(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path, copies=6)
    (tmp_path / "red" / "3.png").rename(tmp_path / "blue" / "9.png")  # one lie
    data, bundle = read(tmp_path, Request()), Bundle.open(image_bundle)
    right = [row for row, label in enumerate(data.labels or ()) if label == "green"]
    found = judge(bundle, data, metric=None, positive=None, seed=0, copies=right)
    assert found["near_copies"]["n"] == 6
    assert found["near_copies"]["accuracy_without"]["value"] == pytest.approx(11 / 12)
    assert found["test"]["accuracy"]["value"] == pytest.approx(17 / 18)
    few = judge(bundle, data, metric=None, positive=None, seed=0, copies=range(12))
    assert few["near_copies"] == {"n": 12, "accuracy_without": None}
    assert judge(bundle, data, metric=None, positive=None, seed=0)["near_copies"]["n"] == 0


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


def flat(folder: Path, n: int, colour: tuple[int, int, int] | None = None) -> Path:
    """Pictures in one folder without classes: painted ones, or n of one colour."""
    if colour is None:
        for number, path in enumerate(paint(folder / "all", copies=n // 3)):
            path.rename(folder / f"{number}.png")
        for child in sorted((folder / "all").rglob("*"), reverse=True):
            child.rmdir()
        (folder / "all").rmdir()
    for number in range(n if colour is not None else 0):
        Image.new("RGB", (20, 20), (colour[0] - number, *colour[1:])).save(folder / f"{number}.png")  # type: ignore[index]
    return folder


def test_items_without_labels_are_told_of_and_drift_alone(image_bundle: Path, tmp_path: Path) -> None:
    data = read_data(flat(tmp_path, 36), Request())
    assert data.labels is None
    assert "only drift can be told" in data.notes[-1]
    assert "class folders" in data.notes[-1]
    found = watch(Bundle.open(image_bundle), data, seed=0)
    assert found.keys() == {"n", "drift", "unreadable"}
    assert (found["n"], found["drift"]["status"]) == (36, "alike")
    assert found["drift"]["unfamiliar"]["value"] <= 0.1


def test_pictures_of_something_else_have_drifted(image_bundle: Path, tmp_path: Path) -> None:
    found = watch(Bundle.open(image_bundle), read_data(flat(tmp_path, 20, (250, 250, 250)), Request()), seed=0)
    assert found["drift"]["status"] == "drifted"
    assert found["drift"]["unfamiliar"]["value"] == 1.0
    assert found["drift"]["classes"]["shares"][0]["share"] > 0.9


def test_labels_need_not_be_looked_at(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    (tmp_path / "red").rename(tmp_path / "may")
    data = read_data(tmp_path, Request(), labels=False)
    assert data.labels is None
    assert watch(Bundle.open(image_bundle), data, seed=0)["n"] == 6


def test_a_label_column_that_was_named_must_be_there(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text\na phone is here\na red apple is there\n", encoding="utf-8")
    with pytest.raises(DataError, match="'team'"):
        read_data(table, Request(label="team"))
    assert read_data(table, Request()).labels is None


def test_what_is_wrong_besides_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_data(tmp_path, Request())
    with pytest.raises(DataError, match="No such file"):
        read_data(tmp_path / "gone", Request())


def test_the_answers_counted_as_accepted_are_those_that_predict_accepts(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path, copies=3)
    Image.new("RGB", (20, 20), (250, 250, 250)).save(tmp_path / "red" / "grey.png")
    bundle, data = Bundle.open(image_bundle), read(tmp_path, Request())
    found = judge(bundle, data, metric=None, positive=None, seed=0)
    decisions = [answer.decision for answer in bundle.predict(data.items.raws)]
    assert found["acceptance"]["accepted"] == decisions.count("accept")
    assert decisions.count("unfamiliar") >= 1
    assert found["drift"]["n"] == found["n"] == 10


# --- what used to be told wrongly ---


def test_labels_that_are_all_empty_are_no_labels(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,label\na phone is here,\na red apple is there,\n", encoding="utf-8")
    found = read_data(table, Request())
    assert found.labels is None
    assert len(found) == 2
    assert "not one of the 2 items has a label" in found.notes[-1]
    with pytest.raises(DataError, match="Not one of the 2 items has a label"):
        read_data(table, Request(label="label"))


def test_no_items_are_not_called_seen(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    nothing = read(tmp_path, Request()).take([])
    with pytest.raises(DataError, match="holds no items"):
        unseen(nothing, Bundle.open(image_bundle))


def test_a_metric_may_be_written_with_a_dash(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    data = read(tmp_path, Request())
    found = judge(Bundle.open(image_bundle), data, metric="weighted-f1", positive=None, seed=0)
    assert found["test"]["weighted_f1"]["value"] == 1.0


def test_a_metric_that_needs_more_items_is_refused(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    with pytest.raises(RequestError, match="'ece' means something from 200 items on, but there are 6"):
        judge(Bundle.open(image_bundle), read(tmp_path, Request()), metric="ece", positive=None, seed=0)


def test_a_metric_without_a_value_here_is_refused(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    for name in ("blue", "green"):
        shutil.rmtree(tmp_path / name)
    with pytest.raises(RequestError, match="'roc_auc' has no value"):
        judge(Bundle.open(image_bundle), read(tmp_path, Request()), metric="roc_auc", positive=None, seed=0)


@pytest.mark.parametrize("labels", [True, False])
def test_too_many_unreadable_items_are_refused(labels: bool, image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path)
    good = (tmp_path / "red" / "0.png").read_bytes()
    for number in range(3):
        (tmp_path / "red" / f"broken{number}.png").write_bytes(good[: len(good) // 2] + bytes([number]))
    data, bundle = read_data(tmp_path, Request(), labels=labels), Bundle.open(image_bundle)
    look = partial(judge, metric=None, positive=None) if labels else watch
    with pytest.raises(DataError, match="3 of 9 items cannot be used, more than the 20%"):
        look(bundle, data, seed=0)


def test_a_text_in_a_file_is_the_text_that_was_seen_in_a_table(text_bundle: Path, tmp_path: Path) -> None:
    for name in ("fruit", "phone"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.txt").write_text(f"\ufeffa text of a {name}\r\n", encoding="utf-8")
    data = read(tmp_path / "data", Request())
    seen = sha256_bytes(b"a text of a fruit")
    write_bundle(tmp_path / "b", replace(text_handover(), seen=(seen,)))
    assert unseen(data, Bundle.open(tmp_path / "b")).labels == ("phone",)
