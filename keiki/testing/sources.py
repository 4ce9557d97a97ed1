"""What every source promises. `check_source(name, path)` runs all of it on an example of its data.

A source of a plug-in registers an example of its format, too:

    @EXAMPLES.add("my-format")
    def my_format(folder: Path) -> Path: ...   # writes labelled data under `folder` and returns what a user would name
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from keiki.core.errors import DataError
from keiki.core.files import sha256_bytes
from keiki.core.registry import Registry
from keiki.data.sources.base import SOURCES, Request, read
from keiki.testing.bundles import TEXTS, paint
from keiki.testing.check import Checks, require

CHECKS = Checks()
EXAMPLES: Registry[Callable[[Path], Path]] = Registry("example of a source", package=None)


@EXAMPLES.add("folder")
def _folder(folder: Path) -> Path:
    paint(folder / "photos")
    (folder / "photos" / "red" / "notes.txt").write_text("not a picture", encoding="utf-8")
    return folder / "photos"


@EXAMPLES.add("table")
def _table(folder: Path) -> Path:
    path = folder / "texts.csv"
    rows = [
        f'"{text}",{label}' for text, label in zip(TEXTS, ("fruit", "fruit", "phone", "phone", "fruit"), strict=True)
    ]
    path.write_text("\n".join(["text,label", *rows, ",fruit"]) + "\n", encoding="utf-8")
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
        content = raw.read_bytes() if isinstance(raw, Path) else raw.encode()
        require(re.fullmatch("[0-9a-f]{64}", found) is not None and found == sha256_bytes(content), "SHA-256")


@CHECKS.add
def reading_twice_gives_the_same(path: Path, name: str) -> None:
    kind = SOURCES.get(name)
    require(kind.read(path, Request()) == kind.read(path, Request()), "order, labels and notes are the same")


@CHECKS.add
def its_guesses_are_said(path: Path, name: str) -> None:
    found = SOURCES.get(name).read(path, Request())
    require(all(note.endswith((".", "?")) for note in found.notes) and bool(found.notes), "guesses are sentences")


@CHECKS.add
def what_is_left_out_is_listed(path: Path, name: str) -> None:
    found = SOURCES.get(name).read(path, Request())
    require(all(each.id and each.reason for each in found.skipped), "each skipped item has a name and a reason")
    require(len(found.skipped) > 0, "the example holds something that is no item, and it is listed")
