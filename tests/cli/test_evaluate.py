"""keiki evaluate: with labels as well as drift, without them drift alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keiki.artifacts.writer import write_bundle
from keiki.cli.main import main
from keiki.evaluation.drift import Reference
from keiki.testing.bundles import image_handover, paint, text_handover

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _ledger(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are counted for each test alone."""
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Six pictures in no class folders."""
    folder = tmp_path / "flat"
    folder.mkdir()
    for number, path in enumerate(paint(tmp_path / "painted")):
        path.rename(folder / f"{number}.png")
    return folder


def as_json(capsys: Capture, *arguments: str, code: int = 0) -> Any:
    assert main(["evaluate", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_drift_stands_beside_the_figures(image_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    paint(tmp_path / "data")
    found = as_json(capsys, str(image_bundle), str(tmp_path / "data"))
    assert found["labelled"] is True
    assert found["test"]["accuracy"]["value"] == 1.0
    assert found["drift"]["status"] == "unsure"  # six items
    assert main(["evaluate", str(image_bundle), str(tmp_path / "data")]) == 0
    told = capsys.readouterr().out
    assert "drift: " in told
    assert "unfamiliar: 0.0%, 0.0% to " in told


def test_without_labels_only_drift_is_told_and_no_look_is_counted(
    image_bundle: Path, flat: Path, capsys: Capture
) -> None:
    for _ in range(2):
        found = as_json(capsys, str(image_bundle), str(flat))
        assert (found["labelled"], found["looks"], found["n"]) == (False, None, 6)
        assert "test" not in found
        assert "only drift can be told" in found["notes"][-1]
    assert main(["evaluate", str(image_bundle), str(flat)]) == 0
    told = capsys.readouterr()
    assert "how often the model is right on them cannot be told" in told.out
    assert "accuracy" not in told.out
    assert "only drift can be told" in told.err


def test_labels_can_be_left_aside(image_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    paint(tmp_path / "data")
    for name in ("red", "green", "blue"):
        (tmp_path / "data" / name).rename(tmp_path / "data" / f"{name} of may")
    assert main(["evaluate", str(image_bundle), str(tmp_path / "data")]) == 2
    assert "--no-labels" in capsys.readouterr().err
    assert as_json(capsys, str(image_bundle), str(tmp_path / "data"), "--no-labels")["labelled"] is False


def test_a_metric_without_labels_is_refused(image_bundle: Path, flat: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(image_bundle), str(flat), "--metric", "macro_f1"]) == 2
    assert "Without labels 'macro_f1' has no value" in capsys.readouterr().err
    assert main(["evaluate", str(image_bundle), str(flat), "--no-labels", "--label", "x"]) == 2
    assert "--no-labels" in capsys.readouterr().err


def test_a_bundle_that_cannot_tell_says_so(tmp_path: Path, capsys: Capture) -> None:
    handover = text_handover()
    assert handover.out_of_fold is not None
    learned = replace(handover.out_of_fold, reference=Reference((0.75, 0.25), 0.8, 4))  # three of four were fruit
    text_bundle = tmp_path / "bundle"
    write_bundle(text_bundle, replace(handover, out_of_fold=learned))
    table = tmp_path / "t.csv"
    table.write_text("text\na phone is here\na red apple is there\n", encoding="utf-8")
    found = as_json(capsys, str(text_bundle), str(table))
    assert found["drift"]["unfamiliar"] is None
    assert main(["predict", str(text_bundle), str(table), "--json"]) == 0
    said = [each["label"] for each in json.loads(capsys.readouterr().out)["predictions"]]
    assert found["drift"]["classes"]["distance"] == pytest.approx(abs(said.count("fruit") / len(said) - 0.75))
    assert main(["evaluate", str(text_bundle), str(table)]) == 0
    assert "this model cannot tell" in capsys.readouterr().out


def test_items_of_new_classes_are_counted_aloud_and_the_others_judged(
    image_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    paint(tmp_path / "data")
    (tmp_path / "data" / "red").rename(tmp_path / "data" / "crimson")
    assert main(["evaluate", str(image_bundle), str(tmp_path / "data")]) == 0
    told = capsys.readouterr()
    assert "4 items; intervals at 95 %" in told.out
    assert "watch: 2 more are of classes that the model does not know: 'crimson' (2)" in told.out
    assert "counted as wrong: 0.667 right" in told.out
    assert "Near copies of training items were not looked for: the bundle stands alone" in told.err
    found = as_json(capsys, str(image_bundle), str(tmp_path / "data"))
    assert found["unknown"] == {"crimson": 2}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ((0.75, 0.61, 0.85), "75 % right (61–85 %); 100 % does not differ from it by more than chance would"),
        ((0.2, 0.15, 0.25), "20 % right (15–25 %); 100 % is higher: these items are easier"),
    ],
)
def test_the_fits_own_estimate_stands_beside_the_new_figure(
    own: tuple[float, ...], said: str, tmp_path: Path, capsys: Capture
) -> None:
    paint(tmp_path / "data")
    test = {"estimate": "held-out", "n": 80, "accuracy": dict(zip(("value", "low", "high"), own, strict=True))}
    write_bundle(tmp_path / "b", replace(image_handover(tmp_path / "train"), results={"test": test}))
    assert main(["evaluate", str(tmp_path / "b"), str(tmp_path / "data")]) == 0
    assert f"the fit's own estimate: {said}" in capsys.readouterr().out
    for number, child in enumerate(sorted((tmp_path / "data").iterdir())):
        child.rename(tmp_path / "data" / f"{number}")  # every label is a lie
    for number, name in enumerate(("green", "red", "blue")):
        (tmp_path / "data" / f"{number}").rename(tmp_path / "data" / name)
    assert main(["evaluate", str(tmp_path / "b"), str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert ("0 % is lower: these items are harder" in said) == (own[0] > 0.5)


def test_without_an_estimate_of_the_fit_nothing_is_said_of_it(
    image_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    paint(tmp_path / "data")
    assert main(["evaluate", str(image_bundle), str(tmp_path / "data")]) == 0
    told = capsys.readouterr().out
    assert "own estimate" not in told
    assert "watch:" not in told
