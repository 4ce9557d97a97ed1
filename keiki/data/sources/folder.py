"""A folder with one subfolder a class, with or without train/val/test above them; or a flat folder without labels."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from keiki.core.errors import ColumnError, DataError, UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.labels import as_classes
from keiki.data.names import item_name, listing, natural, printable, spelled, twin_notes
from keiki.data.passage import decoded, legible
from keiki.data.picture import STRANGER, SUFFIXES, read_file, sniff
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.sources.layout import is_system, metadata, shards, tables
from keiki.data.sources.places import TEXTS
from keiki.data.task import PARTS, Dataset, Items, Modality, Part, Raw, Skipped

_VISITS = 8  # of one real folder by way of links; more is a maze
_DEEPEST = 100  # folders in one another
_MIXED = 0.2  # of the more frequent kind of file, above which the other is no accident
_ABOUT = frozenset({"readme", "license", "licence", "attribution", "classes", "labels", "notes", "info", "changelog"})
_LOOKED_AT = 50  # files without suffix that are looked into


@SOURCES.add("folder")
class FolderSource(Source):
    """Pictures (or .txt files) in a folder; the class of each is the name of the folder it lies in."""

    name: ClassVar[str] = "folder"
    example: ClassVar[str] = "a folder with one subfolder of pictures (or .txt files) a class"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_dir() and not metadata(path) and not shards(path)

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        refuse_columns(path, request)
        walk = Walk(path)
        files = list(walk.files())
        modality, suffixes = _kind(path, files)
        found = _Found(path, modality, suffixes, skipped=walk.skipped)
        for each in files:
            found.add(each)
        if not found.ids:
            raise DataError(_nothing(path, files, found.skipped), hint=_layout(path))
        parts = parts_of(found.ids)
        if request.labelled:
            if request.learned:
                _refuse_unknown_parts(path, found.ids)
            return _labelled(path, found, parts, request.learned)
        return _unlabelled(path, found, parts)


def refuse_columns(path: Path, request: Request) -> None:
    """Raise ColumnError where columns are named, which a folder does not have."""
    options = ("input", "label", "group", "time", "files")
    asked = {option: value for option in options if (value := getattr(request, option))}
    if asked and request.strict:
        option, column = next(iter(asked.items()))
        raise ColumnError(
            f"The folder '{path}' has no columns, so --{option} '{column}' means nothing there.",
            hint="Put a metadata.csv with the columns file_name and what else you know into the folder, or give such a "
            "table, with --files FOLDER for where its files lie.",
        )


class Walk:
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
        if len(above) > _DEEPEST:
            self._skip(folder, "nested too deeply")
            return
        for name in children:
            child = folder / name
            if is_system(name):
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
    suffixes: frozenset[str]
    ids: list[str] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    encodings: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        name = item_name(path, self.root)
        suffix = path.suffix.lower()
        meant = suffix in self.suffixes
        try:
            if not meant:
                _refuse_stranger(path, self.modality)
            data = read_file(path)
            raw, digest = self._picture(path, data) if self.modality == "image" else self._text(data)
        except UnreadableItem as problem:
            reason = problem.reason if meant else f"not {_noun(self.modality)} ({suffix or 'no suffix'})"
            self.skipped.append(Skipped(name, reason, foreign=not meant))
            return
        self.ids.append(name)
        self.raws.append(raw)
        self.digests.append(digest)

    def _picture(self, path: Path, data: bytes) -> tuple[Raw, str]:
        if sniff(data) is None:
            raise UnreadableItem(STRANGER)
        return path, sha256_bytes(data)

    def _text(self, data: bytes) -> tuple[Raw, str]:
        text, encoding = decoded(data)
        clean = legible(text)
        self.encodings.update([encoding] if encoding else [])
        return clean, sha256_bytes(clean.encode("utf-8"))

    def dataset(self, keep: list[int], labels: list[str] | None, parts: list[Part], notes: list[str]) -> Dataset:
        items = Items(self.modality, tuple(self.ids), tuple(self.raws), tuple(self.digests))
        whole = Dataset(
            name=printable(self.root.resolve().name) or "data",
            items=items,
            labels=None if labels is None else tuple(labels),
            parts=tuple(parts),
            notes=(*notes, *_encodings(self.encodings)),
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


def _encodings(found: Counter[str]) -> list[str]:
    return [
        f"{count} text file{'s are' if count > 1 else ' is'} not UTF-8 and {'were' if count > 1 else 'was'} taken for "
        f"{encoding}."
        for encoding, count in sorted(found.items())
    ]


def _noun(modality: Modality) -> str:
    return "a picture" if modality == "image" else "a text file"


def _kind(root: Path, files: list[Path]) -> tuple[Modality, frozenset[str]]:
    """What the files are, and the suffixes of those that are meant: texts where there are more of them than pictures.

    Texts that belong to a picture (a caption of the same name, a README) do not count. Where no suffix says anything,
    the first bytes of files without suffix do. Raises DataError where there are many of both.
    """
    pictures = {path.with_suffix("") for path in files if path.suffix.lower() in SUFFIXES}
    texts = [path for path in files if path.suffix.lower() in TEXTS and not _is_beside(path, pictures)]
    if pictures and texts and min(len(pictures), len(texts)) > _MIXED * max(len(pictures), len(texts)):
        raise DataError(
            f"'{root}' holds {len(pictures)} pictures and {len(texts)} text files, and either could be the items.",
            hint="Move away the ones that are none, or give a table that names the files.",
        )
    if texts or pictures or all(path.suffix for path in files):
        return ("text", TEXTS) if len(texts) > len(pictures) else ("image", SUFFIXES)
    bare = [path for path in files if not path.suffix]
    step = max(1, len(bare) // _LOOKED_AT)
    return ("text", TEXTS | {""}) if all(map(_is_text, bare[::step][:_LOOKED_AT])) else ("image", SUFFIXES)


def _is_beside(path: Path, pictures: set[Path]) -> bool:
    """Whether a text says something of a picture, or of all."""
    return path.with_suffix("") in pictures or path.stem.casefold() in _ABOUT


def _is_text(path: Path) -> bool:
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            start = file.read(4096)
        return bool(start) and sniff(start) is None and b"\0" not in start and bool(decoded(start)[0].strip())
    except (OSError, UnreadableItem):
        return False


def parts_of(ids: list[str]) -> dict[str, Part]:
    """Top folders that are parts of a split: train with class folders in it, and beside it nothing but parts.

    A class may be called 'train' (cars, buses, trains): then pictures lie in it directly.
    """
    tops = {name.split("/")[0] for name in ids if "/" in name}
    named = {top: PARTS[top.casefold()] for top in tops if top.casefold() in PARTS}
    deep = {top for top in named if any(name.startswith(f"{top}/") and name.count("/") >= 2 for name in ids)}
    has_train = any(named[top] == "train" for top in deep)
    return named if has_train and (len(named) == len(tops) or len(deep) >= 2) else {}


def _refuse_unknown_parts(path: Path, ids: list[str]) -> None:
    """Raise DataError where a folder beside 'train' holds the same classes but is called like no part of a split."""
    inside: dict[str, set[str]] = {}
    for top, *rest in (name.split("/") for name in ids):
        inside.setdefault(top, set()).update(rest[:1] if len(rest) > 1 else ())
    train = next((top for top in inside if PARTS.get(top.casefold()) == "train" and inside[top]), None)
    unknown = [top for top in inside if train and top.casefold() not in PARTS and inside[top] & inside[train]]
    if train and unknown:
        shared = sorted(inside[train] & inside[unknown[0]], key=natural)
        raise DataError(
            f"'{path}' looks like a split, because {listing([train, *unknown])} hold folders of the same names "
            f"({listing(shared, 3)}); but {listing(unknown)} is no part that is known.",
            hint=f"Call it one of {', '.join(sorted(PARTS))}, or move it away.",
        )


def _labelled(path: Path, found: _Found, parts: dict[str, Part], learned: bool) -> Dataset:
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
        raise DataError(f"The {_noun(found.modality)[2:]}s in '{path}' lie in no class folders.", hint=_layout(path))
    classes = sorted({labels[i] for i in keep}, key=natural)
    _refuse_wrapper(path, found.ids, classes, place)
    kept = [labels[i] for i in keep]
    dated = as_classes(kept, f"The folder '{path.name}'", "names of folders") if learned else ()
    notes = [_said(found, parts, classes), *dated, *twin_notes(classes, "move their files into one folder")]
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
    named = f"the folder names are the {len(classes)} classes" if len(classes) > 1 else "the folder's name is the class"
    return f"Read {noun}; {named}{split}."


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


def _layout(path: Path) -> str:
    usual = "Give a folder with one subfolder a class (photos/cat/1.jpg, photos/dog/2.jpg), or a table."
    found = tables(path)
    return usual if not found else f"If the table in it says what the files are, give that: '{found[0]}'. {usual}"
