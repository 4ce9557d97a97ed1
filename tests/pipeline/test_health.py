"""What a fit finds in the data: planted copies, wrong labels, leaks and shifts are found, sound data are let be."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keiki.backbones.cache import open_cache
from keiki.backbones.features import FeatureBank
from keiki.core.random import Randomness
from keiki.core.record import Record
from keiki.data.task import Task
from keiki.engines.plan import Plan
from keiki.methods.base import METHODS
from keiki.pipeline.cautions import cautions
from keiki.pipeline.estimate import estimate
from keiki.pipeline.evidence import find_metric, weigh
from keiki.pipeline.findings import Findings
from keiki.pipeline.health import column_hints, examine
from keiki.pipeline.prepare import choose_backbone, look, read_all
from keiki.pipeline.request import FitRequest
from keiki.selection.budget import Budget
from keiki.selection.select import select
from keiki.selection.workshop import Workshop

PLAN = Plan(engine_version="tests", threads=1)
Rows = list[tuple[str, str]]


def health(data: Path, **wishes: Any) -> tuple[Task, Findings]:
    """The findings of a fit with a tiny probe, without controls, bundle and report."""
    backbone = "tiny:vision" if data.is_dir() else "tiny:text"
    request = FitRequest(data=str(data), **{"backbone": backbone, "controls": "none", **wishes})
    random, record, cache = Randomness(request.seed), Record(), open_cache()
    bank = FeatureBank(cache, PLAN, record)
    pieces = read_all(request)
    chosen = choose_backbone(request, pieces.data.items.modality)
    seen = look(pieces, bank, chosen, [], random, record)
    task = seen.task(request.seed, request.near_copies)
    shop = Workshop(chosen, cache, bank, PLAN, random, record)
    probe = METHODS.get("linear-probe")()

    def choose(view: Any, test: Any, budget: Budget) -> Any:
        return select(shop, view, test, [probe], [], budget)

    found = estimate(task, choose, Budget(None), record)
    evidence = weigh(task, found, find_metric("accuracy", None, task), request.accuracy, random)
    return task, examine(task, seen.alike, found, evidence, bank, chosen, random)


def whats(task: Task, findings: Findings) -> str:
    return " ".join(each["what"] for each in cautions(task, None, findings))


def names(task: Task, rows: tuple[int, ...]) -> set[str]:
    return {task.items.ids[row] for row in rows}


@pytest.fixture
def many(rows: Rows) -> Rows:
    """108 texts: the easy ones, and as many with other numbers behind them."""
    return [(f"{text} {k}" if k else text, label) for k in (0, 7001, 80002) for text, label in rows]


def test_sound_data_are_let_be(texts: Path) -> None:
    task, found = health(texts)
    assert (found.clusters, found.leak, found.shift, found.hints) == ((), None, None, ())
    assert found.n_suspects == 0
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))


def test_copies_are_listed_and_stay_together(table: Callable[..., Path], rows: Rows) -> None:
    long = "the rose is a very very red and fiery rose that stands in the garden of a house by the sea"
    planted = [(long, "red"), (long.upper() + "!", "red"), (rows[0][0], rows[0][1]), (long + " 12", "green")]
    task, found = health(table([*rows, *planted]))
    assert [(each.kind, each.rows) for each in found.clusters] == [("near", (36, 37, 39)), ("exact", (0, 38))]
    assert found.clusters[0].similarity < 1.0 == found.clusters[1].similarity
    assert len(set(task.groups[[36, 37, 39]].tolist())) == 1
    said = whats(task, found)
    assert "1 set of near copies has different labels: 'row 37' is 'red', 'row 40' 'green'" in said


def test_a_wrong_label_is_suspected(table: Callable[..., Path], many: Rows) -> None:
    flipped = {0, 5, 50, 80}
    wrong = [
        (text, "red" if label != "red" else "blue") if i in flipped else (text, label)
        for i, (text, label) in enumerate(many)
    ]
    task, found = health(table(wrong))
    rows = [each.row for each in found.suspects]
    assert len(flipped & set(rows)) >= 3
    assert found.n_suspects == len(rows) <= 8
    first = found.suspects[0]
    assert task.target.classes[first.given] == wrong[first.row][1]
    assert task.target.classes[first.suggested] == many[first.row][1]
    assert [each.score for each in found.suspects] == sorted(each.score for each in found.suspects)
    assert "that the model doubts" in whats(task, found)


def test_test_labels_are_never_doubted(table: Callable[..., Path], rows: Rows) -> None:
    parted = [
        (text, "red" if i == 3 else label, "test" if i % 4 == 3 else "train") for i, (text, label) in enumerate(rows)
    ]
    task, found = health(table(parted, columns=("text", "label", "split")))
    assert task.protocol == "given"
    assert not {each.row for each in found.suspects} & set(task.test.tolist())


def test_a_leak_is_shown_with_and_without(table: Callable[..., Path], rows: Rows) -> None:
    sides = ["test" if i % 3 == 2 else "train" for i in range(36)]
    leaked = [(rows[0][0].upper(), rows[0][1], "test"), (rows[1][0], rows[1][1], "test")]
    parted = [*((text, label, side) for (text, label), side in zip(rows, sides, strict=True)), *leaked]
    task, found = health(table(parted, columns=("text", "label", "split")))
    assert found.leak is not None
    assert found.leak.rows == (36, 37)
    assert found.leak.metric == "accuracy"
    assert found.leak.without_them is not None
    said = cautions(task, None, found)
    assert said[0]["what"].startswith("2 test texts are exact or near copies of training texts: accuracy is ")
    assert sum("copies of training" in each["what"] for each in said) == 1
    assert "copies of training items" in whats(task, Findings())


def test_a_shifted_test_set_is_told(table: Callable[..., Path], tmp_path: Path, many: Rows) -> None:
    same = table([(text, label) for i, (text, label) in enumerate(many) if i % 3], "train.csv")
    other = table(
        [("is is the the the a a very " + text, label) for i, (text, label) in enumerate(many) if not i % 3], "test.csv"
    )
    task, found = health(same, test=str(other))
    assert found.shift is not None
    assert found.shift.shifted
    assert (found.shift.n_train, found.shift.n_test) == (72, 36)
    assert "a classifier tells them apart" in whats(task, found)
    _, alone = health(same)
    assert alone.shift is None


def test_file_names_that_look_like_patients_are_hinted_at_if_the_pictures_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for person in range(24):
        label = ("sick", "well")[person % 2]
        tint = rng.integers(0, 200, 3)
        for part in "abc":
            pixels = np.clip(rng.integers(0, 56, (40, 40, 3)) + tint + (30 if label == "sick" else 0), 0, 255)
            for folder, name in (
                ("meant", f"p{person:02d}_{part}"),
                ("chance", f"p{rng.integers(1000):03d}{person}{part}"),
            ):
                place = tmp_path / folder / label / f"{name}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(place)
    task, found = health(tmp_path / "meant")
    assert [(hint.how, hint.n_groups, hint.n_items, hint.option) for hint in found.hints] == [("prefix", 24, 72, "")]
    assert "suggests 24 groups of pictures that may belong together" in whats(task, found)
    assert health(tmp_path / "chance")[1].hints == ()


def test_an_id_column_is_hinted_at_unless_groups_are_named(table: Callable[..., Path], rows: Rows) -> None:
    people = [(text, label, f"c{i // 4}") for i, (text, label) in enumerate(rows)]
    path = table(people, columns=("text", "label", "customer_id"))
    task, found = health(path)
    assert [(hint.how, hint.name, hint.option) for hint in found.hints] == [
        ("column", "customer_id", "--group customer_id")
    ]
    assert "run again with --group customer_id" in cautions(task, None, found)[-1]["remedy"]
    assert health(path, group="customer_id")[1].hints == ()


def test_an_id_whose_items_are_kept_together_anyway_is_not_hinted_at(table: Callable[..., Path], rows: Rows) -> None:
    people = [(f"{text} {k}" if k else text, label, f"c{i}") for i, (text, label) in enumerate(rows) for k in (0, 71)]
    path = table(people, columns=("text", "label", "customer_id"))
    task, found = health(path)
    assert (len(np.unique(task.groups)), found.hints) == (36, ())
    task, found = health(path, near_copies="apart")
    assert (len(np.unique(task.groups)), [hint.name for hint in found.hints]) == (72, ["customer_id"])
    assert "36 sets of near copies (72 items) may stand on both sides" in whats(task, found)


def test_dark_pictures_and_those_of_several_pages_are_told(photos: Path) -> None:
    files = sorted(photos.glob("*/*.png"))
    for file in files[:3]:
        Image.new("I;16", (8, 8), 4095).save(file)
    page = Image.open(files[5]).convert("RGB")
    page.save(files[5], "GIF", save_all=True, append_images=[Image.new("RGB", page.size, "red")])
    task, found = health(photos)
    assert "3 of 36 pictures are nearly black" in whats(task, found)
    assert "(3 of them have 16 bits a pixel" in whats(task, found)
    assert "1 picture is an animation or has several pages; only the first frame or page is used." in task.notes


def described(root: Path) -> Path:
    """Pictures in a folder with a metadata table that has a column of patients."""
    lines = ["file_name,finding,patient_id,note"]
    for i in range(48):
        root.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (5 * i, 255 - 5 * i, i)).save(root / f"scan{i}.png")
        lines.append(f"scan{i}.png,{('sick', 'well')[i // 4 % 2]},p{i // 4},seen on day {i}")
    (root / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def zipped(folder: Path, inside: str = "") -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return target


@pytest.mark.parametrize("form", ["table", "folder", "zip", "wrapped zip", "test set of its own", "added"])
def test_an_id_column_is_found_wherever_the_table_lies(form: str, tmp_path: Path) -> None:
    folder = described(tmp_path / "scans")
    data = {
        "table": lambda: folder / "metadata.csv",
        "zip": lambda: zipped(folder),
        "wrapped zip": lambda: zipped(folder, "scans/"),
    }.get(form, lambda: folder)()
    beside: dict[str, str] = {}
    if form in ("test set of its own", "added"):  # without that column
        for i in range(40):
            place = tmp_path / "more" / ("sick", "well")[i % 2] / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (i, i, 5 * i)).save(place)
        beside = {"add" if form == "added" else "test": str(tmp_path / "more")}
    task = read_all(FitRequest(data=str(data), label="finding", **beside)).task()  # type: ignore[arg-type]
    (hint,) = column_hints(task)
    assert (hint.name, hint.n_groups, hint.n_items, hint.option) == ("patient_id", 12, 48, "--group patient_id")
    assert [name.split("/")[-1] for name in hint.examples] == ["scan0.png", "scan1.png", "scan2.png"]
    assert set(task.spare) == {"patient_id"}


def test_texts_are_told_by_language_and_length(table: Callable[..., Path], rows: Rows) -> None:
    german = [
        (f"Mein Paket ist noch immer nicht angekommen und niemand weiß {text} " * 2, label) for text, label in rows
    ]
    task, found = health(table(german))
    assert found.language is not None
    assert found.language.languages["de"] > 0.5
    assert found.language.unknown_tokens > 0.5
    assert found.language.truncated == 1.0
    assert found.language.limit == 16 < found.language.longest
    said = whats(task, found)
    assert "German" in said
    assert "longer than the 16 tokens" in said


def test_pictures_far_below_the_input_are_told(photos: Path) -> None:
    task, found = health(photos)
    assert found.sizes is not None
    assert (found.sizes.input_side, found.sizes.n_small, found.sizes.n_large) == (32, 0, 0)
    for path in sorted(photos.rglob("*.png"))[::3]:
        image = Image.open(path)
        image.resize((12, 15)).save(path)
    task, found = health(photos)
    assert found.sizes is not None
    assert (found.sizes.n_small, found.sizes.smallest) == (12, (12, 15))
    assert "12 of 36 pictures are smaller than half" in whats(task, found)


def test_the_same_data_give_the_same_findings(photos: Path) -> None:
    one, other = health(photos)[1], health(photos)[1]
    assert one == other


def test_findings_do_not_depend_on_test_labels(table: Callable[..., Path], rows: Rows) -> None:
    def found(swap: bool) -> Findings:
        parted = [
            (text, ("red", "green", "blue")[i % 3] if swap and i % 4 == 3 else label, "test" if i % 4 == 3 else "train")
            for i, (text, label) in enumerate(rows)
        ]
        return health(table(parted, columns=("text", "label", "split")))[1]

    one, other = found(swap=False), found(swap=True)
    assert (one.suspects, one.clusters, one.shift, one.hints) == (
        other.suspects,
        other.clusters,
        other.shift,
        other.hints,
    )
