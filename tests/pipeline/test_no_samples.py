"""After a fit with --no-samples no text, no picture and no name of an item or a group is left in what is handed on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keiki.data.task import Items, Skipped
from keiki.pipeline.fit import Run
from keiki.pipeline.showing import UNNAMED, nameless

Fit = Callable[..., Run]
Write = Callable[..., Path]


def plainly(text: str, *names: str, groups: tuple[str, ...] = (), skipped: tuple[Skipped, ...] = ()) -> str:
    items = Items("image", names, tuple(Path("scans", f"{name}.png") for name in names), names)
    return nameless(SimpleNamespace(items=items, declared=groups, skipped=skipped))(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("2 are copies: '100001', '100002'.", f"2 are copies: '{UNNAMED}', '{UNNAMED}'."),
        ("'100001' as 'a' and 'b'", f"'{UNNAMED}' as 'a' and 'b'"),
        ("All items of '4711', 'Anna Berg' are near", f"All items of '{UNNAMED}', '{UNNAMED}' are near"),
        ("1 set: '12.5' is 'a', '2024-01-05' 'b'", f"1 set: '{UNNAMED}' is 'a', '{UNNAMED}' 'b'"),
        ("belong together (100001, 100002, smith); the", f"belong together ({UNNAMED}, {UNNAMED}, {UNNAMED}); the"),
        ("'100001' is 'scans/100001.png'.", f"'{UNNAMED}' is '{UNNAMED}'."),
        ("of patient smith: 'smith'", f"of patient smith: '{UNNAMED}'"),
    ],
)
def test_names_that_are_numbers_are_taken_out(said: str, left: str) -> None:
    names = ("100001", "100002", "12.5", "2024-01-05", "smith")
    assert plainly(said, *names, groups=("4711", "Anna Berg")) == left


@pytest.mark.parametrize(
    "said",
    [
        "12 of 40 items, 4711 pixels, 12.5 % and 0.95 (0.9, 4711) stay.",
        "The newest part: from 2024-01-05 on.",
        "Classes with fewer than 10 texts: 'red' (12), 'blue' (4711).",
        "'100003.png' and '1000012' are others.",
    ],
)
def test_figures_stay_though_items_are_called_so(said: str) -> None:
    assert plainly(said, "12", "40", "12.5", "0.95", "10", "100001", "2024-01-05", groups=("4711",)) == said


def test_a_text_that_is_nothing_but_a_name_is_taken_out() -> None:
    assert [plainly(text, "smith", "4711") for text in ("smith", "4711", "smith and son")] == [
        UNNAMED,
        UNNAMED,
        "smith and son",
    ]


def test_an_unreadable_item_is_told_without_its_name() -> None:
    lost = (Skipped("100001", "empty text"), Skipped("red/smith", "3 bytes"))
    said = "2 of 40 items could not be used (100001: empty text; red/smith: 3 bytes)."
    left = f"2 of 40 items could not be used ({UNNAMED}: empty text; {UNNAMED}: 3 bytes)."
    assert plainly(said, skipped=lost) == left


NUMBERED = re.compile(r"(?<![\w.])(?:7100\d\d|88\d\d)(?:\.png)?(?![\w.])")  # files and groups of the test below


def names_in(content: object) -> Iterator[str]:
    """Such names in all texts of a JSON value or of a page; numbers that are no texts are figures."""
    if isinstance(content, dict):
        content = [*content, *content.values()]
    if isinstance(content, list):
        for each in content:
            yield from names_in(each)
    elif isinstance(content, str):
        yield from NUMBERED.findall(content)


@pytest.fixture
def scans(painted: Path, tmp_path: Path) -> Path:
    """Pictures called 710001.png and so on, of which a table leaves the suffix out, of patients called 8801 and so on;
    one is there twice, under two labels and for two patients, one is torn, and one is no picture."""
    files = tmp_path / "scans" / "files"
    files.mkdir(parents=True)
    rows = []
    for number, file in enumerate(sorted(painted.glob("*/*.png"))):
        shutil.copyfile(file, files / f"{710001 + number}.png")
        rows.append((str(710001 + number), file.parent.name, str(8801 + number // 3)))
    shutil.copyfile(files / "710001.png", files / "710090.png")
    (files / "710091.png").write_bytes(b"no picture")
    (files / "710092.png").write_bytes((files / "710002.png").read_bytes()[:90])
    rows += [("710090", "red", "8890"), ("710091", "red", "8890"), ("710092", "red", "8890")]
    path = tmp_path / "scans" / "table.csv"
    path.write_text("".join(",".join(row) + "\n" for row in [("file_name", "finding", "patient"), *rows]))
    return path


@pytest.mark.parametrize("test", [None, 0.25])
def test_no_name_is_left_where_files_and_groups_are_numbered(test: float | None, scans: Path, quick: Fit) -> None:
    wishes = {"backbone": "tiny:vision", "input": "file_name", "label": "finding", "group": "patient", "test": test}
    told, bare = (quick(scans, out, samples=out == "told", **wishes) for out in ("told", "bare"))

    def report(run: Run) -> dict[str, Any]:
        return json.loads((run.folder / "report.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    warned = [
        json.dumps([each["task"]["notes"], each["task"]["skipped"], each["warnings"]])
        for each in map(report, (told, bare))
    ]
    assert {"710001", "710090", "710091", "710092"} <= set(NUMBERED.findall(warned[0]))
    assert warned[1].count(UNNAMED) >= len(NUMBERED.findall(warned[0]))
    assert set(names_in(report(bare))) == set()
    page = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", (bare.folder / "report.html").read_text(encoding="utf-8"))
    assert set(names_in(page)) == set()
    for file in (bare.folder / "bundle").iterdir():
        if file.suffix in (".json", ".md"):
            assert set(names_in(file.read_text(encoding="utf-8"))) == set(), file.name
        else:
            assert not any(f"7100{each:02}".encode() in file.read_bytes() for each in range(100)), file.name
    assert set(names_in(list(bare.closing_lines()))) == set()
    assert set(names_in(bare.summary)) == set()
    assert {"710001", "710092.png"} & set(names_in(json.loads(json.dumps(told.summary["warnings"]))))
    log = (bare.folder / "log.jsonl").read_text(encoding="utf-8")
    assert '"event": "skipped"' in log
    for file in sorted(bare.folder.iterdir()):
        if file.suffix in (".json", ".jsonl"):
            content = (
                [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
                if (file.suffix == ".jsonl")
                else json.loads(file.read_text(encoding="utf-8"))
            )
            assert set(names_in(content)) == set(), file.name
    numbers = ("headline", "n_mistakes", "per_class", "confusion", "metrics", "usability")
    assert {name: report(bare)[name] for name in numbers} == {name: report(told)[name] for name in numbers} | {
        "headline": {**report(told)["headline"], "looks": report(bare)["headline"]["looks"]}
    }


def test_no_name_is_left_in_hints_of_groups(rows: list[tuple[str, str]], table: Write, quick: Fit) -> None:
    data = table([(*row, f"Berg{i // 4}") for i, row in enumerate(rows)], columns=("text", "label", "customer_id"))
    told, bare = (quick(data, out, samples=out == "told") for out in ("told", "bare"))
    examples = told.summary["findings"]["hints"][0]["examples"]
    assert examples
    assert bare.summary["findings"]["hints"][0]["examples"] == [UNNAMED] * len(examples)
    assert not any(f'"{name}"' in (bare.folder / "run.json").read_text(encoding="utf-8") for name in examples)
