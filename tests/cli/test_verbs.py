"""evaluate, export, report, methods, backbones, cache: each says what it did, and refuses what it cannot do."""

import json
from pathlib import Path
from typing import Any

import pytest

from keiki.cli.main import main
from keiki.methods.base import METHODS
from keiki.testing.bundles import paint


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_evaluate_counts_the_looks(
    image_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    paint(tmp_path / "data")
    for look in (1, 2):
        found = as_json(capsys, "evaluate", str(image_bundle), str(tmp_path / "data"))
        assert found["looks"] == look
    assert found["n"] == 6
    assert found["seen"] == 0
    assert found["test"]["accuracy"]["value"] == 1.0
    assert main(["evaluate", str(image_bundle), str(tmp_path / "data")]) == 0
    told = capsys.readouterr().out
    assert "looked at 3 times" in told
    assert "accuracy" in told


def test_evaluate_refuses_labels_none_of_which_is_known(
    image_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path)
    for name, other in (("red", "crimson"), ("blue", "navy"), ("green", "olive")):
        (tmp_path / name).rename(tmp_path / other)
    assert main(["evaluate", str(image_bundle), str(tmp_path)]) == 2
    assert "'crimson'" in capsys.readouterr().err


def test_evaluate_refuses_an_unknown_metric(
    image_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(tmp_path)
    assert main(["evaluate", str(image_bundle), str(tmp_path), "--metric", "acuracy"]) == 2
    assert "Did you mean 'accuracy'" in capsys.readouterr().err


def test_export_writes_and_says_how_close(
    image_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "onnx"
    found = as_json(capsys, "export", str(image_bundle), "--out", str(out))
    assert found["parity"]["same_top_class"]
    assert (out / "parity.json").exists()
    assert main(["export", str(image_bundle), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_export_compares_on_given_samples(
    image_bundle: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "export", str(image_bundle), "--out", str(tmp_path / "o"), "--samples", str(pictures))
    assert found["parity"]["n"] == 6


def test_report_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "report.json" in capsys.readouterr().err
    (tmp_path / "report.json").write_text("{")
    assert main(["report", str(tmp_path)]) == 2
    assert "not JSON" in capsys.readouterr().err


def test_methods_are_listed_from_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "methods")
    assert [each["name"] for each in found["methods"]] == METHODS.names()
    assert main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    families = [line for line in lines[1:] if not line.startswith(" ")]
    assert sorted(line.split()[0] for line in lines if line.startswith(" ")) == METHODS.names()
    assert set(families) == {kind.family for kind in METHODS.values()}
    assert families[-1] == "control"


def test_a_method_stands_under_its_family_with_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    family = ""
    for line in capsys.readouterr().out.splitlines()[1:]:
        if not line.startswith(" "):
            family = line
            continue
        kind = METHODS.get(line.split()[0])
        assert kind.family == family
        assert kind.title in line
        assert all(need in line for need in kind.needs)


def test_options_of_its_own_stand_apart_and_fit_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full fine-tuning is plainer than the rest of its kind, and shares all else."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["methods", "full-finetune"]) == 0
    _, own, shared = capsys.readouterr().out.split("(--set OPTION=VALUE):\n")
    names = [line.split()[0] for line in own.splitlines() if line.startswith("  ") and line[2] != " "]
    assert names == ["label_smoothing", "learning_rate", "patience", "start"]
    assert "  head_rate  " in shared
    assert max(map(len, shared.splitlines())) <= 80
    assert main(["methods", "linear-probe"]) == 0
    assert "shares with" not in capsys.readouterr().out


@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_shows_its_source_and_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", name]) == 0
    told = capsys.readouterr().out
    for option in as_json(capsys, "methods", name)["options"]:
        assert option["name"] in told
        assert option["help"]


def test_a_wrong_method_answers_with_the_near_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "linear-prob"]) == 2
    assert "Did you mean 'linear-probe'" in capsys.readouterr().err


def test_backbones_are_listed_with_their_cards(capsys: pytest.CaptureFixture[str]) -> None:
    names = [each["name"] for each in as_json(capsys, "backbones")["backbones"]]
    assert {"efficientnet-lite0", "minilm-l6"} <= set(names)
    card = as_json(capsys, "backbones", "efficientnet-lite0")
    assert card["licence"]
    assert len(card["digest"]) == 64
    assert main(["backbones", "efficientnet-lite1"]) == 2
    assert "Did you mean 'efficientnet-lite0'" in capsys.readouterr().err


def test_cache_is_shown_and_cleared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path))
    assert as_json(capsys, "cache")["areas"]["features"]["entries"] == 0
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "g.onnx").write_bytes(b"12345")
    assert as_json(capsys, "cache", "--clear")["freed_bytes"] == 0
    assert as_json(capsys, "cache", "--clear", "--graphs")["freed_bytes"] == 5
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "x.npz").write_bytes(bytes(3 * 2**20))
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "features, results and unpacked together at most" in shown
    assert "graphs and shelf without limit" in shown
    assert "3.0 MiB" in shown
    assert main(["cache", "--graphs"]) == 2
