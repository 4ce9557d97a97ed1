"""A folder with one subfolder a class, with or without train/val/test above them; or a flat folder without labels."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from keiki.core.errors import DataError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.names import item_name, listing, natural, printable, spelled, twin_notes
from keiki.data.passage import legible
from keiki.data.picture import SUFFIXES, read_file, sniff
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.task import PARTS, Dataset, Items, Modality, Part, Raw, Skipped

TEXTS = frozenset({".txt"})
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "__macosx", "icon\r"})
_VISITS = 8  # of one real folder by way of links; more is a maze


@SOURCES.add("folder")
class FolderSource(Source):
    """Pictures (or .txt files) in a folder; the class of each is the name of the folder it lies in."""

    name: ClassVar[str] = "folder"
    example: ClassVar[str] = "a folder with one subfolder of pictures (or .txt files) a class"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_dir()

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        walk = _Walk(path)
        files = list(walk.files())
        modality = _modality(files)
        found = _Found(path, modality, skipped=walk.skipped)
        for each in files:
            found.add(each)
        if not found.ids:
            raise DataError(_nothing(path, files, found.skipped), hint=_layout())
        parts = _parts(found.ids)
        return _labelled(path, found, parts) if request.labelled else _unlabelled(path, found, parts)


class _Walk:
    """All files below a folder in natural order; links are followed, but never in a circle."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: list[Skipped] = []
        self._visits: Counter[tuple[int, int]] = Counter()

    def files(self) -> Iterator[Path]:
        yield from self._below(self.root, ())

    def _below(self, folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
        try:
            status = folder.stat()
            children = sorted(os.listdir(folder), key=natural)
        except OSError as problem:
            self._skip(folder, f"folder cannot be read ({problem.strerror})")
            return
        here = (status.st_dev, status.st_ino)
        self._visits[here] += 1
        if here in above or self._visits[here] > _VISITS:
            self._skip(folder, "a link that leads back to a folder above it" if here in above else "linked too often")
            return
        for name in children:
            child = folder / name
            if name.startswith(".") or name.casefold() in _SYSTEM:
                self._skip(child, "hidden or system file", foreign=True)
            elif os.path.isdir(child):  # False, where Path.is_dir would raise
                yield from self._below(child, (*above, here))
            else:
                yield child

    def _skip(self, path: Path, reason: str, foreign: bool = False) -> None:
        self.skipped.append(Skipped(item_name(path, self.root), reason, foreign))


@dataclass
class _Found:
    """What has been read so far."""

    root: Path
    modality: Modality
    ids: list[str] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, path: Path) -> None:
        name = item_name(path, self.root)
        suffix = path.suffix.lower()
        meant = suffix in (SUFFIXES if self.modality == "image" else TEXTS)
        try:
            if not meant:
                _refuse_stranger(path, self.modality)
            data = read_file(path)
            raw = _picture(path, data) if self.modality == "image" else _text(data)
        except UnreadableItem as problem:
            reason = problem.reason if meant else f"not {_noun(self.modality)} ({suffix or 'no suffix'})"
            self.skipped.append(Skipped(name, reason, foreign=not meant))
            return
        self.ids.append(name)
        self.raws.append(raw)
        self.digests.append(sha256_bytes(data))

    def dataset(self, keep: list[int], labels: list[str] | None, parts: list[Part], notes: list[str]) -> Dataset:
        items = Items(self.modality, tuple(self.ids), tuple(self.raws), tuple(self.digests))
        whole = Dataset(
            name=printable(self.root.resolve().name) or "data",
            items=items,
            labels=None if labels is None else tuple(labels),
            parts=tuple(parts),
            notes=tuple(notes),
            skipped=tuple(self.skipped),
        )
        return whole.take(keep)


def _refuse_stranger(path: Path, modality: Modality) -> None:
    """Raise for a file whose name promises nothing, unless its first bytes are those of a picture."""
    if modality == "text":
        raise UnreadableItem("not a text file")
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            start = file.read(16)
    except OSError as problem:
        raise UnreadableItem("cannot be read") from problem
    if sniff(start) is None:
        raise UnreadableItem("not a picture")


def _picture(path: Path, data: bytes) -> Path:
    if sniff(data) is None:
        raise UnreadableItem("not a picture (JPEG, PNG, WebP, BMP, GIF or TIFF)")
    return path


def _text(data: bytes) -> str:
    try:
        return legible(data.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise UnreadableItem("not UTF-8 text") from problem


def _noun(modality: Modality) -> str:
    return "a picture" if modality == "image" else "a text file"


def _modality(files: list[Path]) -> Modality:
    """Texts where there are more .txt files than pictures, by their names."""
    counts = Counter(path.suffix.lower() for path in files)
    return "text" if sum(counts[s] for s in TEXTS) > sum(counts[s] for s in SUFFIXES) else "image"


def _parts(ids: list[str]) -> dict[str, Part]:
    """Top folders that are parts of a split: train with class folders in it, and beside it nothing but parts.

    A class may be called 'train' (cars, buses, trains): then pictures lie in it directly.
    """
    tops = {name.split("/")[0] for name in ids if "/" in name}
    named = {top: PARTS[top.casefold()] for top in tops if top.casefold() in PARTS}
    deep = {top for top in named if any(name.startswith(f"{top}/") and name.count("/") >= 2 for name in ids)}
    has_train = any(named[top] == "train" for top in deep)
    return named if has_train and (len(named) == len(tops) or len(deep) >= 2) else {}


def _labelled(path: Path, found: _Found, parts: dict[str, Part]) -> Dataset:
    place = 1 if parts else 0
    keep, labels, sides = [], [], []
    for i, name in enumerate(found.ids):
        pieces = name.split("/")
        lost = _why_lost(pieces, place, parts)
        labels.append("" if lost else spelled(pieces[place]))
        sides.append(parts.get(pieces[0], "") if parts else "")
        if lost:
            found.skipped.append(Skipped(name, lost, foreign=lost.startswith("outside")))
        else:
            keep.append(i)
    if not keep:
        raise DataError(f"The pictures in '{path}' lie in no class folders.", hint=_layout())
    classes = sorted({labels[i] for i in keep}, key=natural)
    _refuse_wrapper(path, found.ids, classes, place)
    notes = [_said(found, parts, classes), *twin_notes(classes)]
    return found.dataset(keep, labels, sides, notes)


def _why_lost(pieces: list[str], place: int, parts: dict[str, Part]) -> str:
    if parts and pieces[0] not in parts:
        return "outside of " + ", ".join(sorted(parts))
    return "" if len(pieces) >= place + 2 else "in no class folder"


def _unlabelled(path: Path, found: _Found, parts: dict[str, Part]) -> Dataset:
    labels: list[str] | None = None
    everywhere = [name.split("/") for name in found.ids]
    place = 1 if parts else 0
    if all(len(pieces) >= place + 2 for pieces in everywhere):
        labels = [spelled(pieces[place]) for pieces in everywhere]
    sides: list[Part] = [parts.get(pieces[0], "") for pieces in everywhere]
    count = f"{len(found.ids)} {'pictures' if found.modality == 'image' else 'texts'}"
    return found.dataset(list(range(len(found.ids))), labels, sides, [f"Read {count} from the folder '{path.name}'."])


def _said(found: _Found, parts: dict[str, Part], classes: list[str]) -> str:
    noun = "pictures" if found.modality == "image" else "text files"
    split = f", split by the folders {listing(sorted(parts))}" if parts else ""
    return f"Read {noun}; the folder names are the {len(classes)} classes{split}."


def _refuse_wrapper(path: Path, ids: list[str], classes: list[str], place: int) -> None:
    """One folder that holds the class folders: the user most likely meant that one."""
    inner = {name.split("/")[place + 1] for name in ids if name.count("/") >= place + 2}
    if len(classes) == 1 and len(inner) >= 2 and not place:
        raise DataError(
            f"'{path}' holds one folder, '{classes[0]}', so there would be one class only.",
            hint=f"If the classes are {listing(sorted(inner, key=natural))}, give '{path / classes[0]}'.",
        )


def _nothing(path: Path, files: list[Path], skipped: list[Skipped]) -> str:
    if not files:
        return f"The folder '{path}' is empty."
    reasons = "; ".join(f"{each.id}: {each.reason}" for each in skipped[:5])
    return f"The folder '{path}' holds {len(files)} files, but none that keiki can read: {reasons}."


def _layout() -> str:
    return "Give a folder with one subfolder a class (photos/cat/1.jpg, photos/dog/2.jpg), or a table."
