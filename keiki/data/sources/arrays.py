"""NumPy arrays: features as they are, with labels beside them, in one .npz or in two .npy files."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from keiki.core.errors import ColumnError, DataError
from keiki.core.options import near_miss
from keiki.data.groups import group_name
from keiki.data.label_array import class_names, one_a_row, parts_of, texts
from keiki.data.labels import as_classes
from keiki.data.names import listing, printable, spelled, twin_notes
from keiki.data.npy import Archive, read_npy
from keiki.data.number_table import number_dataset
from keiki.data.rows import SkippedRow
from keiki.data.shelving import shelved_arrays as shelved_arrays
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.task import PARTS, Dataset, Part
from keiki.data.times import ABSENT, Times, is_absent, parse
from keiki.data.vectors import as_rows, vector_items

SUFFIXES = frozenset({".npz", ".npy"})
ROLES: dict[str, tuple[str, ...]] = {  # what people call their arrays; the first name that is there counts
    "input": ("x", "features", "embeddings", "inputs", "data", "images", "arr_0"),
    "label": ("y", "labels", "label", "targets", "target", "arr_1"),
    "group": ("groups", "group"),
    "split": ("split", "splits", "subset"),
    "names": ("names", "ids"),
    "classes": ("classes", "class_names", "target_names", "label_names"),
}
_PARTS: tuple[Part, ...] = ("", "train", "val", "test")
_BESIDE = ("y", "labels", "label", "targets", "target")  # stems of the file that holds the labels of an .npy

Array = npt.NDArray[Any]


@SOURCES.add("arrays")
class ArraySource(Source):
    """Arrays X (N, D) and y (N,); by name also groups, split, names (of rows) and classes (of integer labels), and
    parts such as X_train and y_train. Nothing is unpickled, so labels must be numbers or texts, not objects."""

    name: ClassVar[str] = "arrays"
    example: ClassVar[str] = "an .npz with X (N, D) and y (N,), or an .npy of features beside one of labels"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        npy = path.suffix.lower() == ".npy"
        found = _beside(path, request) if npy else _Found.of(Archive(path), request)
        if found.label is None and request.labelled:
            hint = "Write it beside: y.npy, or --label FILE.npy" if npy else "Name it: --label NAME"
            raise ColumnError(f"'{path.name}' holds no labels that are called so (y, labels).", hint=hint)
        return _dataset(path, found, request)


def read_vectors(path: Path, request: Request | None = None) -> Dataset:
    """`path` as rows of numbers: .npz, .npy, or a table with columns of numbers; for a model that takes such rows."""
    request = request or Request(labelled=False)
    if ArraySource.matches(path):
        return ArraySource.read(path, request)
    from keiki.data.sources.tabular import open_table

    return number_dataset(open_table(path, request.inner), path, request)


@dataclass(frozen=True)
class _Found:
    """All rows of all parts: features (N, D), their name, and what stands beside them, None where nothing does."""

    features: Array
    name: str
    parts: tuple[Part, ...]
    label: Array | None = None
    label_name: str = "y"
    group: Array | None = None
    names: Array | None = None
    time: Array | None = None
    classes: Array | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, archive: Archive, request: Request) -> _Found:
        """The arrays of an archive by their names, or as they were asked for."""
        roles = _roles(archive, request)
        parts = [part for part in _PARTS if ("input", part) in roles]
        if not parts:
            raise ColumnError(
                f"No array of '{archive.path.name}' is called as features are (X, features, embeddings).",
                hint=f"Name them: --input NAME --label NAME. {_choices(archive)}",
            )
        parts = parts[:1] if parts[0] == "" else parts
        features = [archive.array(roles["input", part]) for part in parts]
        columns = {role: _joined(archive, roles, role, parts, features) for role in ("label", "group", "names", "time")}
        split = _joined(archive, roles, "split", parts, features)
        whose = _parts_of(split, parts, features, request)
        classes = roles.get(("classes", ""))
        name = f"{archive.path.name}: {roles['input', parts[0]]}"
        return cls(
            _stacked(features, archive.path.name),
            name,
            whose,
            label_name=roles.get(("label", parts[0]), "y"),
            classes=archive.array(classes) if classes else None,
            notes=_said(roles, parts, request, split is not None and any(whose)),
            **columns,
        )


def _roles(archive: Archive, request: Request) -> dict[tuple[str, str], str]:
    """Which array is what, by role and part: as asked, else by its name, with a word for the part before or after."""
    found: dict[tuple[str, str], str] = {}
    for role, names in ROLES.items():
        for wanted in reversed(names):  # the first name is set last
            found |= {(role, part): key for key in archive for name, part in [_split_name(key)] if name == wanted}
    asked = {"input": request.input, "label": request.label, "group": request.group, "time": request.time}
    for role, key in asked.items():
        if key is None or (key not in archive and not request.strict and role != "input"):
            continue  # what was said of other data need not be here
        if key not in archive:
            guess = near_miss(key, list(archive))
            raise ColumnError(
                f"'{archive.path.name}' has no array '{key}' for --{role}.",
                hint=(f"Did you mean '{guess}'? " if guess else "") + _choices(archive),
            )
        found = {(other, part): each for (other, part), each in found.items() if other != role}
        found |= {(role, part): each for each in archive for name, part in [_split_name(each)] if name == _base(key)}
        found[role, _split_name(key)[1]] = key  # of several spellings the one that was asked for
    return found


def _base(key: str) -> str:
    return _split_name(key)[0]


def _split_name(key: str) -> tuple[str, Part]:
    """The name of an array without the word for its part, and the part.

    >>> _split_name("X_train"), _split_name("test_labels"), _split_name("arr_0")
    (('x', 'train'), ('labels', 'test'), ('arr_0', ''))
    """
    words = key.strip().casefold().replace("-", "_").split("_")
    for at, rest in ((0, words[1:]), (-1, words[:-1])):
        if rest and words[at] in PARTS:
            return "_".join(rest), PARTS[words[at]]
    return "_".join(words), ""


def _joined(
    archive: Archive, roles: Mapping[tuple[str, str], str], role: str, parts: Sequence[str], features: Sequence[Array]
) -> Array | None:
    """What stands beside the features of all parts, one below the other; None unless each part has it."""
    keys = [roles.get((role, part)) for part in parts]
    found = []
    for key, rows in zip(keys, features, strict=True):
        if key is None:
            return None
        values = archive.array(key)
        if values.ndim == 0 or rows.ndim == 0 or len(values) != len(rows):
            shape = " x ".join(map(str, values.shape)) or "a single value"
            n = len(np.atleast_1d(rows))
            raise DataError(
                f"'{key}' in '{archive.path.name}' must have an entry for each of {n} rows, but is {shape}."
            )
        found.append(values)
    if len({values.shape[1:] for values in found}) > 1:
        raise DataError(f"The parts of '{role}' in '{archive.path.name}' have different shapes.")
    return np.concatenate(found)


def _stacked(features: Sequence[Array], name: str) -> Array:
    shapes = [each.shape[1:] for each in features]
    if len(set(shapes)) > 1:
        raise DataError(
            f"The parts of '{name}' have different numbers of features: {', '.join(str(each) for each in shapes)}.",
            hint="All parts must have the same columns in the same order.",
        )
    return features[0] if len(features) == 1 else np.concatenate(list(features))


def _parts_of(
    split: Array | None, parts: Sequence[Part], features: Sequence[Array], request: Request
) -> tuple[Part, ...]:
    """The part of each row: by the array `split`, or by the names of the arrays."""
    if split is not None and split.ndim == 1:
        found = parts_of(texts(split), "The array 'split'", request.labelled and request.learned)
        if found is not None:
            return tuple(found)
    sizes = [len(np.atleast_1d(each)) for each in features]
    return tuple(part for part, size in zip(parts, sizes, strict=True) for _ in range(size))


def _said(roles: Mapping[tuple[str, str], str], parts: Sequence[str], request: Request, split: bool) -> tuple[str, ...]:
    """What was guessed from names, as sentences."""
    notes = []
    for role, asked, what in (("input", request.input, "features"), ("label", request.label, "labels")):
        keys = [roles[role, part] for part in parts if (role, part) in roles]
        if keys and asked is None:
            were = "was" if len(keys) == 1 else "were"
            notes.append(f"{listing(keys)} {were} taken for the {what}, by name.")
    if ("group", "") in roles and request.group is None:
        notes.append(f"Rows with the same entry in '{roles['group', '']}' are kept together.")
    if split and ("split", "") in roles:
        notes.append(f"'{roles['split', '']}' says which rows are for training, validation and test.")
    return tuple(notes)


def _choices(archive: Archive) -> str:
    shown = ", ".join(f"'{name}' ({shape})" for name, shape in list(archive.items())[:12])
    return f"The arrays are {shown}{', ...' if len(archive) > 12 else ''}."


def _beside(path: Path, request: Request) -> _Found:
    """The features in an .npy file, and their labels in the file beside it."""
    for what, name in (("input", request.input), ("group", request.group), ("time", request.time)):
        if name and request.strict:
            raise ColumnError(
                f"'{path.name}' is a single array, so there is no '{name}' in it for --{what}.",
                hint="Put all arrays into one file: numpy.savez(FILE, X=X, y=y, groups=groups).",
            )
    asked = path.parent / request.label if request.label else None
    if asked and request.strict and not (asked.is_file() and asked.suffix.lower() == ".npy"):
        raise ColumnError(f"--label {request.label} is no .npy file beside '{path.name}'.", hint="As in: --label y.npy")
    file = asked if asked and asked.is_file() else _label_file(path)
    features = read_npy(path)
    parts = _PARTS[:1] * len(np.atleast_1d(features))
    if file is None:
        return _Found(features, path.name, parts, notes=(_UNNAMED,))
    said = _UNNAMED if file == asked else f"The labels were taken from '{file.name}', which lies beside."
    return _Found(features, path.name, parts, read_npy(file), file.name, notes=(said,))


_UNNAMED = "The columns of the array were taken as features, as they are."


def _label_file(path: Path) -> Path | None:
    """The one file beside features that is called as their labels would be: y.npy, X_train -> y_train, f_labels."""
    name, part = _split_name(path.stem)
    own = [f"{path.stem}_{each}" for each in _BESIDE]
    shared = [f"{each}_{part}" if part else each for each in _BESIDE] if name in ROLES["input"] else []
    turned = [f"{part}_{each}" for each in _BESIDE] if part and shared else []
    for stems in (own, [*shared, *turned]):
        found = [file for stem in stems if (file := path.with_name(f"{stem}.npy")).is_file()]
        if len(found) > 1:
            names = listing(file.name for file in found)
            raise ColumnError(f"The labels of '{path.name}' could be {names}.", hint=f"Say --label {found[0].name}")
        if found:
            return found[0]
    return None


def _dataset(path: Path, found: _Found, request: Request) -> Dataset:
    """The rows that can be used as a dataset, the others as skipped."""
    rows = as_rows(found.features, found.name)
    n = len(rows.matrix)
    ids = _ids(found.names, n)
    classes = None if found.classes is None else [spelled(each) for each in texts(found.classes.reshape(-1))]
    labels = [] if found.label is None else class_names(found.label, n, found.label_name, classes)
    skipped = dict(rows.bad)
    notes: tuple[str, ...] = ()
    if request.labelled:
        skipped |= {i: "no label" for i, label in enumerate(labels) if not label}
        if request.learned:
            notes = as_classes([label for label in labels if label], f"'{found.label_name}'")
    moments = None if found.time is None or request.time is None else texts(one_a_row(found.time, n, request.time))
    skipped |= {i: ABSENT for i, cell in enumerate(moments or ()) if is_absent(cell) and i not in skipped}
    kept = [i for i in range(n) if i not in skipped]
    groups, times = _groups(found.group, n), _times(moments, kept, str(request.time))
    known = bool(labels) and all(labels[i] for i in kept)
    return Dataset(
        name=printable(path.stem) or "data",
        items=vector_items(rows.matrix[kept], [ids[i] for i in kept]),
        labels=tuple(labels[i] for i in kept) if known else None,
        parts=tuple(found.parts[i] for i in kept),
        groups=None if groups is None else tuple(groups[i] for i in kept),
        times=times.seconds if times else None,
        notes=(
            *found.notes,
            *notes,
            *rows.notes,
            *(times.notes if times else ()),
            *twin_notes(sorted(set(labels) - {""}), f"write one of them everywhere in '{found.label_name}'"),
        ),
        skipped=tuple(
            SkippedRow(ids[i], why, number=i + 1, before=bisect_left(kept, i)) for i, why in sorted(skipped.items())
        ),
    )


def _ids(names: Array | None, n: int) -> list[str]:
    """What rows are called: their names where each has one of its own, else their numbers from 1 on."""
    if names is not None:
        own = texts(one_a_row(names, n, "names"))
        if len(set(own)) == n:
            return own
    return [f"row {number}" for number in range(1, n + 1)]


def _groups(group: Array | None, n: int) -> list[str] | None:
    if group is None:
        return None
    return [group_name(name, row) for row, name in enumerate(texts(one_a_row(group, n, "groups")), start=1)]


def _times(moments: Sequence[str] | None, rows: Sequence[int], name: str) -> Times | None:
    return None if moments is None else parse([moments[i] for i in rows], name, [i + 1 for i in rows])
