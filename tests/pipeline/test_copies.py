"""Near copies of training items among new data are found as the fit finds them, or it is said why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from keiki.artifacts.bundle import Bundle
from keiki.backbones.cache import open_cache
from keiki.cli.main import main
from keiki.core.record import Record
from keiki.data.sources.base import Request, read
from keiki.pipeline import copies
from keiki.pipeline.copies import near_training
from keiki.pipeline.fit import Run
from keiki.pipeline.suggest import suggest

Quick = Callable[..., Run]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Pictures with structure, by which copies can be told: 12 of each of two classes."""
    import numpy as np

    rng = np.random.default_rng(0)
    for label, base in (("day", 60), ("night", 0)):
        for n in range(12):
            small = rng.integers(base, base + 190, (6, 6, 3)).astype(np.uint8)
            path = tmp_path / "shots" / label / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC).save(path)
    return tmp_path / "shots"


def again(path: Path, to: Path) -> Path:
    """The picture, smaller and as a JPEG."""
    to.parent.mkdir(parents=True, exist_ok=True)
    Image.open(path).convert("RGB").resize((80, 60)).save(to, quality=85)
    return to


@pytest.fixture
def mixed(shots: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of classes: most pictures to fit on, and new ones with copies of six of the others."""
    for label in ("day", "night"):
        for n in range(3):
            new = tmp_path / "new" / label / f"{n}.png"
            new.parent.mkdir(parents=True, exist_ok=True)
            (shots / label / f"{n}.png").rename(new)
            again(shots / label / f"{n + 3}.png", new.with_name(f"copy-{n}.jpg"))
    return shots, tmp_path / "new"


def near(run: Run | Path, data: Path, record: Record | None = None) -> tuple[set[str], str]:
    folder = run.folder if isinstance(run, Run) else run
    found = read(data, Request(labelled=False))
    told = near_training(folder, Bundle.open(folder), found, record)
    return {found.items.ids[row] for row in told.rows}, told.why_not


def test_photos_saved_again_are_found_and_nothing_is_computed_twice(quick: Quick, mixed: tuple[Path, Path]) -> None:
    shots, new = mixed
    run = quick(shots, test=0.25)
    learned = Bundle.open(run.folder).seen()
    items = read(shots, Request()).items
    names = {name for name, content in zip(items.ids, items.digests, strict=True) if content in learned}
    expected = {
        f"{label}/copy-{n}.jpg" for label in ("day", "night") for n in range(3) if f"{label}/{n + 3}.png" in names
    }
    said: list[Any] = []
    found = near(run, new, Record(listeners=(said.append,)))
    assert found == (expected, "")
    assert expected
    totals = [each["total"] for each in said if each.get("event") == "progress"]
    assert set(totals) == {12}  # the new ones alone
    said.clear()
    assert near(run, new, Record(listeners=(said.append,))) == found
    assert not said


def test_texts_with_another_number_or_case_are_found(quick: Quick, texts: Path, table: Callable[..., Path]) -> None:
    rows = [("The parcel number 4711 has not arrived at my house until today", "post")]
    rows += [(f"An entirely different matter about {word} and the money for it", "money") for word in "abcdefgh"]
    rows += [
        (f"Where is my {word} parcel that was sent {n} weeks ago by post", "post") for n, word in enumerate("stuvwxyz")
    ]
    run = quick(table(rows, "old.csv"), test=None)
    new = table([("the parcel NUMBER 17 has not arrived at my house until today!", ""), ("brand new", "")], "new.csv")
    assert near(run, new) == ({"row 1"}, "")


def test_a_bundle_alone_says_that_it_cannot_tell(quick: Quick, mixed: tuple[Path, Path], tmp_path: Path) -> None:
    shots, new = mixed
    run = quick(shots)
    shutil.copytree(run.folder / "bundle", tmp_path / "handed over")
    assert near(tmp_path / "handed over", new)[1].endswith(
        "the bundle stands alone, without the run that it was made by."
    )


def test_training_items_that_are_gone_are_told(
    quick: Quick, mixed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shots, new = mixed
    run = quick(shots)
    n = len(Bundle.open(run.folder).seen())
    lost = next(path for path in sorted((shots / "day").iterdir()) if path.stem not in ("3", "4", "5"))
    lost.unlink()
    rows, why = near(run, new)
    assert rows
    assert why == "" or why.startswith(f"1 of {n} training items are not where they were")
    shutil.rmtree(open_cache().root / "features")
    monkeypatch.setattr(copies, "MOST_ANEW", 3)
    assert "no longer in the cache" in near(run, new)[1]
    shutil.rmtree(shots)
    assert "cannot be looked at again (No such file or folder" in near(run, new)[1]


def test_evaluate_says_how_many_and_suggest_leaves_them_out(
    quick: Quick, mixed: tuple[Path, Path], capsys: Capture
) -> None:
    shots, new = mixed
    run = quick(shots)
    expected = near(run, new)[0]
    capsys.readouterr()
    assert main(["evaluate", str(run.folder), str(new), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["near_copies"]["n"] == len(expected)
    assert told["own"]["accuracy"] == {name: run.summary["test"]["accuracy"][name] for name in ("value", "low", "high")}
    assert main(["evaluate", str(run.folder), str(new)]) == 0
    said = capsys.readouterr().out
    assert f"watch: {len(expected)} of them are near copies of training items" in said
    assert "the fit's own estimate: " in said
    found = suggest(run.folder, new, 50)
    assert found.near == len(expected)
    assert not expected & {each.id for each in found.items}
    assert any(note.startswith(f"Left out: {len(expected)} near copies") for note in found.notes)


def test_measured_and_suggested_by_the_columns_of_the_fit(
    quick: Quick, table: Callable[..., Path], capsys: Capture
) -> None:
    rows = [(f"about {word} and money", f"bill {n}", "money") for n, word in enumerate("abcdefghij")]
    rows += [(f"where is {word} now", f"parcel {n}", "post") for n, word in enumerate("klmnopqrst")]
    path = table(rows, "two.csv", ("message", "subject", "team"))
    run = quick(path, input="subject,message", label="team", samples=False)
    n = len(Bundle.open(run.folder).seen())
    assert main(["evaluate", str(run.folder), str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seen"] == n
    with pytest.raises(Exception, match=f"the run has seen {n}, {20 - n} have judged it"):
        suggest(run.folder, path, 3)


def test_near_copies_that_the_fit_took_apart_are_items_of_their_own(quick: Quick, mixed: tuple[Path, Path]) -> None:
    shots, new = mixed
    run = quick(shots)
    assert near(run, new)[0]
    told = json.loads((run.folder / "run.json").read_text())
    told["config"]["near_copies"] = "apart"
    (run.folder / "run.json").write_text(json.dumps(told))
    assert near(run, new) == (set(), "")
