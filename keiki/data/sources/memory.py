"""Data in memory, written down once: what a fit reads lies on disk, so that it can be resumed and repeated.

A DataFrame, an Arrow table and texts become Parquet; a Hugging Face data set with pictures becomes a folder with a
metadata.jsonl. The name of what is written is a digest of its content, so the same data are written once.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keiki.core.errors import DataError
from keiki.core.files import digest, sha256_bytes, write_bytes, writing_folder
from keiki.data.names import listing, natural
from keiki.data.parquet import NOTES
from keiki.data.picture import SUFFIXES
from keiki.data.rows import cell_text
from keiki.data.sources.layout import part_column
from keiki.data.task import PARTS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

KNOWN = (
    "a path; a pandas DataFrame, or a pair of one and its labels; any table that Arrow reads (Polars, pyarrow); a "
    "Hugging Face Dataset or DatasetDict; scikit-learn's Bunch; texts (or paths of pictures) and labels; NumPy arrays"
)
_DIGITS = 16  # of a digest in a name
_FOREIGN = ("Audio", "Video", "Pdf")


def shelved(data: object, shelf: Path) -> Path:
    """The path under which `data` can be read: itself, if it is one; else where it was written, below `shelf`.

    Raises DataError for what cannot be taken as data, with a list of what can.
    """
    if isinstance(data, str | Path):
        return Path(data)
    for fits, write in _WRITERS:
        if fits(data):
            return write(data, shelf)
    from keiki.data.sources.arrays import shelved_arrays

    if _are_numbers(data):
        return shelved_arrays(data, shelf)
    raise DataError(f"Data of the type '{type(data).__name__}' cannot be read.", hint=f"Known are {KNOWN}.")


def _is(data: object, module: str, *names: str) -> bool:
    """Whether `data` is of one of these classes, without importing their package."""
    home = sys.modules.get(module)
    return home is not None and any(isinstance(data, getattr(home, name, ())) for name in names)


def _are_numbers(data: object) -> bool:
    return hasattr(data, "__array__") or isinstance(data, Mapping | tuple | list)


def _is_text_bunch(data: object) -> bool:
    return isinstance(data, Mapping) and "data" in data and _texts_of(data["data"]) is not None


def _is_pair(data: object) -> bool:
    return isinstance(data, tuple) and len(data) == 2 and _texts_of(data[0]) is not None


def _is_frame_pair(data: object) -> bool:
    return isinstance(data, tuple) and len(data) == 2 and _is(data[0], "pandas", "DataFrame")


def _texts_of(values: object) -> list[str | bytes | Path] | None:
    """The values as a list, if all of them are texts, bytes or paths."""
    if hasattr(values, "tolist") and getattr(values, "ndim", 1) == 1:
        values = values.tolist()
    if not isinstance(values, list | tuple) or not values:
        return None
    return list(values) if all(isinstance(each, str | bytes | Path) for each in values) else None


def _write_frame(data: Any, shelf: Path) -> Path:
    frame: pd.DataFrame = data
    if frame.columns.nlevels > 1:
        raise DataError(
            "The columns of the DataFrame have several levels.",
            hint="Join them: df.columns = ['_'.join(map(str, names)) for names in df.columns]",
        )
    if frame.index.name is not None and frame.index.name not in frame.columns:
        frame = frame.reset_index()
    import pyarrow as pa

    columns, notes = {}, []
    for at, name in enumerate(map(str, frame.columns)):
        values, note = _frame_column(frame.iloc[:, at], name)
        columns[name if name not in columns else f"{name} ({at + 1})"] = values
        notes += note
    return _write_table(pa.table(columns), shelf, "dataframe", notes)


def _write_frame_pair(data: Any, shelf: Path) -> Path:
    frame, labels = data[0], list(data[1])
    if len(labels) != len(frame):
        raise DataError(f"There are {len(labels)} labels for {len(frame)} rows.", hint="Give one for each.")
    name = next((each for each in ("label", "class", "target") if each not in frame.columns), "labels")
    return _write_frame(frame.assign(**{name: labels}), shelf)


def _frame_column(values: pd.Series[Any], name: str) -> tuple[pa.Array, list[str]]:
    """A column for Arrow; pictures become PNG, what is of mixed types becomes text, and that is noted."""
    import pyarrow as pa

    listed = values.tolist() if values.dtype == object else []
    if any(_is(each, "PIL.Image", "Image") for each in listed):
        return pa.array([_png(each) for each in listed], pa.binary()), []
    try:
        return pa.Array.from_pandas(values), []
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        cells = ["" if _is_missing(each) else cell_text(each) for each in values.tolist()]
        return pa.array(cells), [f"Column '{name}' holds values of several types; they were taken as texts."]


def _png(picture: Any) -> bytes | None:
    if not _is(picture, "PIL.Image", "Image"):
        return None
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _is_missing(value: object) -> bool:
    return value is None or str(value) in ("<NA>", "NaT", "nan")


def _write_arrow(data: Any, shelf: Path) -> Path:
    import pyarrow as pa

    return _write_table(pa.table(data), shelf, "table", [])


def _write_table(table: pa.Table, shelf: Path, name: str, notes: Sequence[str]) -> Path:
    """The table as Parquet, named by a digest of its bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not table.num_rows:
        raise DataError("The table has no rows.", hint="Give one with rows in it.")
    out = io.BytesIO()
    kept = dict(table.schema.metadata or {})
    try:
        pq.write_table(table.replace_schema_metadata({**kept, NOTES: json.dumps(list(notes))}), out)
    except (pa.ArrowException, ValueError) as problem:
        raise DataError(
            f"The table cannot be written: {' '.join(str(problem).split())[:200]}.", hint="Leave out that column."
        ) from problem
    path = shelf / f"{name}-{sha256_bytes(out.getvalue())[:_DIGITS]}.parquet"
    return path if path.is_file() else write_bytes(path, out.getvalue())


def _write_bunch(data: Any, shelf: Path) -> Path:
    """Texts with integer targets and their names."""
    target, names = data.get("target"), data.get("target_names")
    labels = None if target is None else [_class_name(each, names) for each in list(target)]
    return _write_texts(_texts_of(data["data"]) or [], labels, shelf)


def _class_name(value: Any, names: Any) -> str:
    if isinstance(value, str) or names is None:
        return cell_text(value.item() if hasattr(value, "item") else value)
    return str(names[int(value)])


def _write_pair(data: Any, shelf: Path) -> Path:
    labels = data[1].tolist() if hasattr(data[1], "tolist") else list(data[1])
    return _write_texts(_texts_of(data[0]) or [], [_class_name(each, None) for each in labels], shelf)


def _write_texts(texts: Sequence[str | bytes | Path], labels: list[str] | None, shelf: Path) -> Path:
    if labels is not None and len(labels) != len(texts):
        raise DataError(f"There are {len(labels)} labels for {len(texts)} items.", hint="Give one for each.")
    import pyarrow as pa

    files = all(isinstance(each, Path) for each in texts)
    cells = [str(Path(each).absolute()) if isinstance(each, Path) else _decoded(each) for each in texts]
    columns = {"file" if files else "text": cells, **({} if labels is None else {"label": labels})}
    return _write_table(pa.table(columns), shelf, "files" if files else "texts", [])


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise DataError(
            "The texts are bytes, and not of UTF-8.", hint="Say what they are: load_files(FOLDER, encoding='latin-1')"
        ) from problem


def _write_hugging_face(data: Any, shelf: Path) -> Path:
    """A data set, or a dictionary of splits, whose names become a column."""
    several = isinstance(data, Mapping)
    splits = dict(sorted(data.items(), key=lambda each: _order(each[0]))) if several else {"": data}
    if strange := [name for name in splits if name and name.casefold() not in PARTS]:
        raise DataError(
            f"The splits {listing(strange)} are neither train, validation nor test.",
            hint="Give those that are meant: DatasetDict({'train': data['train'], 'test': data['test']})",
        )
    features = next(iter(splits.values())).features
    for name, each in features.items():
        if type(each).__name__ in _FOREIGN:
            raise DataError(
                f"Column '{name}' holds {type(each).__name__}, which is not read.",
                hint=f"Leave it out: data.remove_columns('{name}')",
            )
    if any(type(each).__name__ == "Image" for each in features.values()):
        return _write_pictures(splits, shelf)
    return _write_rows(splits, shelf)


def _order(name: str) -> tuple[int, Any]:
    return ["train", "val", "test", ""].index(PARTS.get(name.casefold(), "")), natural(name)


def _rows(splits: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of all splits, with names for integer classes and a column of parts; pictures as {bytes, path}."""
    from datasets import ClassLabel, Image

    for part, data in splits.items():
        names = {name: each for name, each in data.features.items() if isinstance(each, ClassLabel)}
        for name, each in data.features.items():
            data = data.cast_column(name, Image(decode=False)) if isinstance(each, Image) else data
        extra = {part_column(list(data.features)): part} if part else {}
        for row in data.with_format(None):
            classes = {name: _pointed(each, row[name]) for name, each in names.items()}
            yield {**row, **classes, **extra}


def _pointed(feature: Any, value: Any) -> str | None:
    return feature.int2str(value) if isinstance(value, int) and value >= 0 else None  # -1 stands for unknown


def _write_rows(splits: Mapping[str, Any], shelf: Path) -> Path:
    import pyarrow as pa

    return _write_table(pa.Table.from_pylist(list(_rows(splits))), shelf, "dataset", [])


def _write_pictures(splits: Mapping[str, Any], shelf: Path) -> Path:
    """A folder of pictures with a metadata.jsonl; read twice, once for the digest that names it."""
    features = next(iter(splits.values())).features
    images = [name for name, each in features.items() if type(each).__name__ == "Image"]
    if len(images) > 1:
        raise DataError(
            f"Several columns hold pictures: {listing(images)}.",
            hint=f"Leave all but one out: data.remove_columns('{images[1]}')",
        )
    lines: list[dict[str, str]] = [_line(row, images[0], at)[0] for at, row in enumerate(_rows(splits), start=1)]
    folder = shelf / f"dataset-{digest(lines)[:_DIGITS]}"
    if not folder.is_dir():
        with writing_folder(folder) as temporary:
            for at, row in enumerate(_rows(splits), start=1):
                line, data = _line(row, images[0], at)
                if data:
                    (temporary / line["file_name"]).write_bytes(data)
            text = "".join(json.dumps(_without_digest(line), ensure_ascii=False) + "\n" for line in lines)
            (temporary / "metadata.jsonl").write_text(text, encoding="utf-8")
    return folder


def _line(row: Mapping[str, Any], image: str, at: int) -> tuple[dict[str, str], bytes]:
    """One row as it stands in the metadata, with a digest of its picture, and the bytes of that picture."""
    held = row[image] or {}
    data: bytes = held.get("bytes") or _read(held.get("path"))
    suffix = Path(str(held.get("path") or "")).suffix.lower()
    name = f"{at:08d}{suffix if suffix in SUFFIXES else ''}" if data else ""
    rest = {column: cell_text(value) for column, value in row.items() if column not in (image, _DIGEST)}
    return {**rest, "file_name": name, _DIGEST: sha256_bytes(data)}, data


_DIGEST = "sha256 of the picture"  # part of what names the folder, but not of what is written


def _without_digest(line: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in line.items() if name != _DIGEST}


def _read(path: str | None) -> bytes:
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""  # the row is listed: it names no file


_WRITERS: tuple[tuple[Callable[[object], bool], Callable[[Any, Path], Path]], ...] = (
    (lambda data: _is(data, "datasets", "Dataset", "DatasetDict"), _write_hugging_face),
    (lambda data: _is(data, "pandas", "DataFrame"), _write_frame),
    (_is_frame_pair, _write_frame_pair),
    (lambda data: hasattr(data, "__arrow_c_stream__") and not _is(data, "pandas", "Series"), _write_arrow),
    (_is_text_bunch, _write_bunch),
    (_is_pair, _write_pair),
)
