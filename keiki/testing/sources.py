"""What every source promises. `check_source(name, path)` runs all of it on an example of its data.

A source of a plug-in registers an example of its format, too:

    @EXAMPLES.add("my-format")
    def my_format(folder: Path) -> Path: ...   # writes labelled data under `folder` and returns what a user would name
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keiki.core.errors import DataError
from keiki.core.files import sha256_bytes
from keiki.core.registry import Registry
from keiki.data.sources.base import SOURCES, Request, read
from keiki.data.task import Raw
from keiki.data.vectors import row_digest
from keiki.testing.bundles import TEXTS, paint
from keiki.testing.check import Checks, require

CHECKS = Checks()
_LABELS = ("fruit", "fruit", "phone", "phone", "fruit")
EXAMPLES: Registry[Callable[[Path], Path]] = Registry("example of a source", package=None)


@EXAMPLES.add("folder")
def _folder(folder: Path) -> Path:
    paint(folder / "photos")
    (folder / "photos" / "red" / "notes.txt").write_text("not a picture", encoding="utf-8")
    return folder / "photos"


@EXAMPLES.add("table")
def _table(folder: Path) -> Path:
    path = folder / "texts.csv"
    rows = [f'"{text}",{label}' for text, label in zip(TEXTS, _LABELS, strict=True)]
    path.write_text("\n".join(["text,label", *rows, ",fruit"]) + "\n", encoding="utf-8")
    return path


@EXAMPLES.add("zip")
def _zip(folder: Path) -> Path:
    path = folder / "photos.zip"
    paint(folder / "packed")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((folder / "packed").rglob("*.png")):
            archive.write(file, f"photos/{file.relative_to(folder / 'packed').as_posix()}")
        archive.writestr("__MACOSX/photos/red/._0.png", b"left by the system")
    return path


@EXAMPLES.add("metadata")
def _metadata(folder: Path) -> Path:
    files = paint(folder / "scans")
    rows = [f"{file.relative_to(folder / 'scans').as_posix()},{file.parent.name}" for file in files]
    (folder / "scans" / "metadata.csv").write_text("\n".join(["file_name,label", *rows, "gone.png,red"]) + "\n")
    return folder / "scans"


@EXAMPLES.add("xlsx")
def _xlsx(folder: Path) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    for row in [("text", "label"), *zip(TEXTS, _LABELS, strict=True), ("a", None)]:
        sheet.append(row)
    book.save(folder / "texts.xlsx")
    return folder / "texts.xlsx"


@EXAMPLES.add("parquet")
def _parquet(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [{"bytes": file.read_bytes(), "path": file.name} for file in paint(folder / "packed")]
    labels = [file.parent.name for file in sorted((folder / "packed").rglob("*.png"))]
    columns = {"image": [*pictures, {"bytes": b"", "path": None}], "label": [*labels, "red"]}
    pq.write_table(pa.table(columns), folder / "photos.parquet")
    return folder / "photos.parquet"


@EXAMPLES.add("arrays")
def _arrays(folder: Path) -> Path:
    path = folder / "features.npz"
    features = np.random.default_rng(0).normal(size=(6, 3))
    features[5, 1] = np.nan
    np.savez(path, X=features, y=np.array(["a", "b", "a", "b", "a", "b"]))
    return path


def check_source(name: str, path: Path) -> None:
    """Hold the source `name` to every promise; raises AssertionError with the first one that it breaks."""
    for check in CHECKS.all():
        check(path, name)


@CHECKS.add
def it_shows_how_its_data_look(path: Path, name: str) -> None:
    kind = SOURCES.get(name)
    require(kind.name == name and len(kind.example) > 20, "it has its registered name and an example in words")


@CHECKS.add
def it_alone_matches_its_data(path: Path, name: str) -> None:
    matching = [other for other, kind in SOURCES.items() if kind.matches(path)]
    require(matching == [name], f"exactly one source takes '{path.name}', not {matching}")


@CHECKS.add
def it_takes_nothing_else(path: Path, name: str) -> None:
    stranger = path.parent / "stranger.unknown"
    stranger.write_bytes(b"\x00\x01")
    require(not SOURCES.get(name).matches(stranger), "a file of an unknown kind is not taken")


@CHECKS.add
def a_missing_path_is_refused_with_a_next_step(path: Path, name: str) -> None:
    try:
        read(path.with_name(path.name[:-1]))
    except DataError as error:
        require(path.name in error.hint, "the near miss is offered")
    else:
        raise AssertionError("a path that is not there is refused")


@CHECKS.add
def every_item_has_a_label_a_part_and_a_name_of_its_own(path: Path, name: str) -> None:
    found = SOURCES.get(name).read(path, Request())
    n = len(found)
    require(n > 0 and len(set(found.items.ids)) == n, "no two items are called the same")
    require(found.labels is not None and len(found.labels) == len(found.parts) == n, "labels and parts fit the items")
    require(len(found.items.raws) == len(found.items.digests) == n, "raws and digests fit the items")


@CHECKS.add
def digests_are_sha256_of_the_content(path: Path, name: str) -> None:
    items = SOURCES.get(name).read(path, Request()).items
    for raw, found in zip(items.raws, items.digests, strict=True):
        require(re.fullmatch("[0-9a-f]{64}", found) is not None, "a digest is 64 hexadecimal digits")
        require(found == _digest(raw), "the digest is that of the content")


def _digest(raw: Raw) -> str:
    if isinstance(raw, Path | str):
        return sha256_bytes(raw.read_bytes() if isinstance(raw, Path) else raw.encode())
    return row_digest(raw)


@CHECKS.add
def reading_twice_gives_the_same(path: Path, name: str) -> None:
    first, second = (SOURCES.get(name).read(path, Request()) for _ in range(2))
    same = (first.items.ids, first.items.digests, first.labels, first.parts, first.notes, first.skipped)
    again = (second.items.ids, second.items.digests, second.labels, second.parts, second.notes, second.skipped)
    require(same == again, "order, labels and notes are the same")


@CHECKS.add
def a_column_that_is_not_there_is_refused(path: Path, name: str) -> None:
    for request in (Request(group="no such column"), Request(time="no such column")):
        try:
            read(path, request)
        except DataError as error:
            require("no such column" in str(error) and bool(error.hint), "the column is named, and a next step")
        else:
            raise AssertionError("a column that is not there is refused")


@CHECKS.add
def without_labels_all_items_are_read(path: Path, name: str) -> None:
    asked = len(read(path, Request()))
    require(len(read(path, Request(labelled=False))) >= asked, "items without label are items where none is needed")


@CHECKS.add
def its_guesses_are_said(path: Path, name: str) -> None:
    found = SOURCES.get(name).read(path, Request())
    require(all(note.endswith((".", "?")) for note in found.notes) and bool(found.notes), "guesses are sentences")


@CHECKS.add
def what_is_left_out_is_listed(path: Path, name: str) -> None:
    found = SOURCES.get(name).read(path, Request())
    require(all(each.id and each.reason for each in found.skipped), "each skipped item has a name and a reason")
    require(len(found.skipped) > 0, "the example holds something that is no item, and it is listed")
