"""Parquet as rows of text cells: one file, or the files of a published data set, pictures inside included.

Nothing but pyarrow reads here, column by column and in batches; pictures ({bytes, path}, as Hugging Face writes them,
or plain bytes) are laid into the cache only for the column that is the input.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keiki.core.errors import DataError
from keiki.core.files import digest, sha256_file
from keiki.data.names import listing
from keiki.data.picture import sniff
from keiki.data.rows import Table, refuse_too_large, refuse_too_wide, unique
from keiki.data.sources.arrow import cells_of
from keiki.data.sources.layout import part_column
from keiki.data.sources.places import walled
from keiki.data.sources.unpacked import archive_of, unpacked
from keiki.data.task import PARTS

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 10_000_000
NOTES = b"keiki"  # key of remarks in the metadata of files that keiki wrote
_BATCH = 512  # rows at a time; pictures of some MiB each may lie in them
_FOREIGN = {"Audio": "sounds", "Video": "films", "Pdf": "documents"}  # types of the `datasets` library
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' own rows of numbers


def read_parquet(paths: Sequence[Path]) -> Table:
    """The rows of all files, one below the other; raises DataError where they are damaged or do not go together.

    Several files get a column of parts where the name of each begins like that of a part ('train-...').
    """
    files = [_File(path) for path in paths]
    for other in files[1:]:
        if other.names != files[0].names:
            raise DataError(
                f"'{other.path.name}' has other columns than '{files[0].path.name}': {listing(other.names, 8)} and "
                f"{listing(files[0].names, 8)}.",
                hint="Give one of the files.",
            )
    refuse_too_large(paths[0], sum(each.n_rows for each in files), len(files[0].names))
    notes = dict.fromkeys(note for each in files for note in each.notes)
    table = Table(unique(list(files[0].names)), notes=list(notes))
    counts = []
    for each in files:
        before = len(table.rows)
        for cells in each.rows():
            table.add(cells, len(table.rows) + 1)
        counts.append(len(table.rows) - before)
    for name, column in zip(table.columns, files[0].names, strict=True):
        if column in files[0].pictures:
            table.embedded[name] = partial(_laid_out, files, column)
    _add_parts(table, files, counts)
    if not table.rows:
        raise DataError(f"'{paths[0]}' has no rows.", hint="Give a file with rows in it.")
    return table


class _File:
    """One file, opened, and what its columns hold."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        with _told(path):
            self.file = pq.ParquetFile(path)
            self.schema: pa.Schema = self.file.schema_arrow
        self.n_rows: int = self.file.metadata.num_rows
        _refuse(path, self.schema.names, self.n_rows)
        features = _features(self.schema)
        foreign = {name: _FOREIGN[each["_type"]] for name, each in features.items() if each["_type"] in _FOREIGN}
        self.names = [name for name in self.schema.names if not _INDEX.fullmatch(name) and name not in foreign]
        self.pictures = [name for name in self.names if _is_picture(self.schema.field(name).type)]
        self.pictures += [name for name in self.names if name not in self.pictures and self._holds_pictures(name)]
        labels = {name: each.get("names") for name, each in features.items() if each["_type"] == "ClassLabel"}
        self.classes = {name: list(map(str, names)) for name, names in labels.items() if isinstance(names, list)}
        self.notes = [
            *_own_notes(self.schema),
            *(f"Column '{name}' holds {what}, which are not read." for name, what in foreign.items()),
        ]

    def rows(self) -> Iterator[list[str]]:
        """The cells of every row; of a picture its file name."""
        for batch in self.batches([self._read_as(name) for name in self.names]):
            with _told(self.path):
                columns = [self._cells(name, batch.column(at)) for at, name in enumerate(self.names)]
            yield from (list(row) for row in zip(*columns, strict=True))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The columns, some rows at a time."""
        with _told(self.path):
            yield from self.file.iter_batches(batch_size=_BATCH, columns=list(columns), use_threads=False)

    def _read_as(self, name: str) -> str:
        """Of pictures only the path is read here: the bytes may be many."""
        kind = self.schema.field(name).type
        return f"{name}.path" if name in self.pictures and _is_struct(kind) else name

    def _cells(self, name: str, column: pa.Array) -> list[str]:
        if name not in self.pictures:
            return cells_of(column, self.classes.get(name))
        return cells_of(column.field("path"), None) if _is_struct(column.type) else [""] * len(column)

    def _holds_pictures(self, name: str) -> bool:
        """Whether a column of bytes holds pictures, by the first that is there."""
        import pyarrow as pa

        kind = self.schema.field(name).type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            return False
        first = next(self.batches([name]), None)
        values = [] if first is None else [value for value in first.column(0).to_pylist() if value]
        return bool(values) and sniff(values[0]) is not None


def _is_struct(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _is_picture(kind: pa.DataType) -> bool:
    """Whether a column is one of pictures as Hugging Face writes them: {bytes, path}."""
    return _is_struct(kind) and {kind.field(at).name for at in range(kind.num_fields)} == {"bytes", "path"}


def _refuse(path: Path, names: Sequence[str], n_rows: int) -> None:
    refuse_too_wide(path, len(names))
    if len(set(names)) < len(names):
        raise DataError(f"'{path}' has several columns of one name: {listing(names, 8)}.", hint="Rename them.")
    if n_rows > MOST_ROWS:
        raise DataError(f"'{path}' has {n_rows:,} rows; the limit is {MOST_ROWS:,}.", hint="Take a sample of them.")


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """What the `datasets` library leaves in a file of its columns; nothing where something else wrote it."""
    try:
        features = _remark(schema, b"huggingface")["info"]["features"]
        described = {name: each for name, each in features.items() if isinstance(each, dict)}
        return {name: each for name, each in described.items() if isinstance(each.get("_type"), str)}
    except (KeyError, TypeError, AttributeError):
        return {}


def _own_notes(schema: pa.Schema) -> list[str]:
    """What was remarked when keiki wrote the file."""
    found = _remark(schema, NOTES)
    return [str(each) for each in found] if isinstance(found, list) else []


def _remark(schema: pa.Schema, key: bytes) -> Any:
    """What a program wrote into the file for itself; None where that cannot be read, for the data do without it."""
    try:
        return json.loads((schema.metadata or {})[key])
    except (KeyError, ValueError, RecursionError):
        return None


def _add_parts(table: Table, files: Sequence[_File], counts: Sequence[int]) -> None:
    """A column of parts where there are several files, each called by one."""
    parts = [_part(each.path) for each in files]
    if len(files) > 1 and all(parts):
        column = [part for part, count in zip(parts, counts, strict=True) for _ in range(count)]
        table.put(part_column(table.columns), column)


def _part(path: Path) -> str:
    return PARTS.get(re.split(r"[-_.]", path.name.casefold())[0], "")


def _laid_out(files: Sequence[_File], column: str) -> list[Path | None]:
    """The pictures of a column as files in the cache, None where a row has none."""
    found: list[Path | None] = []
    for each in files:
        key = digest([sha256_file(each.path), column])
        folder, names = unpacked(key, each.path.stat().st_size, partial(_lay_out, each, column))
        found += [folder / name if name else _beside(each, path) for name, path in names]
    return found


def _beside(file: _File, name: str) -> Path | None:
    """A picture that the table only names; it has to lie beside it, or below."""
    folder = file.path.absolute().parent
    return walled(folder / name, [archive_of(folder) or folder]) if name else None


def _lay_out(file: _File, column: str, folder: Path) -> list[tuple[str, str]]:
    """Write the pictures; returns name and remembered path of each row."""
    names: list[tuple[str, str]] = []
    for batch in file.batches([column]):
        for value in batch.column(0).to_pylist():
            data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
            name = f"{len(names) + 1:08d}" if data else ""
            if data:
                (folder / name).write_bytes(data)
            names.append((name, str(path or "")))
    return names


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Damage, in whatever way it shows, as one clear error."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as problem:
        if isinstance(problem, OSError) and problem.strerror:
            raise DataError(f"The Parquet file '{path}' cannot be read: {problem.strerror}.") from problem
        raise DataError(
            f"The Parquet file '{path}' is damaged or none at all.", hint="Copy or download it again."
        ) from problem
