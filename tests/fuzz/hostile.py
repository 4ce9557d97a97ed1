"""Inputs that are made to cost more than they hold, or to show files that are none of theirs: more of `KINDS`."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import sound
from malformed import Case, Rng, kind, table

from keiki.core.places import cache_root
from keiki.data.rows import MOST_CELLS, MOST_COLUMNS

_SHEET = "xl/worksheets/sheet1.xml"
_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@kind
def torn_quotes_to_the_end(folder: Path, rng: Rng) -> Case:
    torn = (b'a","\n', b'a,"b\n', b'a,b,"\n')[int(rng.integers(3))]
    lines = torn * int(rng.integers(10_000, 40_000))
    first = 2 * sound.PER_CLASS + 1
    return table(folder, "t.csv", sound.csv(rng) + lines, bad=f"row {first} (line {first + 1})")


@kind
def json_whose_rows_share_no_names(folder: Path, rng: Rng) -> Case:
    rows = [json.dumps({f"key {i}": i}) for i in range(int(rng.integers(1_500, 9_000)))]
    return table(folder, "t.jsonl", "\n".join(rows).encode())


@kind
def spreadsheet_with_few_cells_far_apart(folder: Path, rng: Rng) -> Case:
    last = int(rng.integers(100, 3_000))
    pairs = (f'<row r="{i}"><c r="A{i}"><v>{i}</v></c><c r="XFD{i}"><v>1</v></c></row>' for i in range(1, last))
    return table(folder, "t.xlsx", _with_sheet(rng, "".join(pairs)))


@kind
def spreadsheet_with_an_endless_row(folder: Path, rng: Rng) -> Case:
    cells = ("<c/>", "<c><v>1</v></c>")[int(rng.integers(2))] * int(rng.integers(MOST_COLUMNS + 1, 20 * MOST_COLUMNS))
    return table(folder, "t.xlsx", _with_sheet(rng, f"<row>{cells}</row>"))


def _with_sheet(rng: Rng, rows: str) -> bytes:
    """A sound workbook whose one sheet is replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound.xlsx(rng))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            sheet = f'<worksheet xmlns="{_SPREADSHEET}"><sheetData>{rows}</sheetData></worksheet>'
            new.writestr(name, sheet if name == _SHEET else old.read(name))
    return out.getvalue()


@kind
def parquet_of_endless_repeats(folder: Path, rng: Rng) -> Case:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_columns = int(rng.integers(8, 40))
    column = pa.array(np.zeros(MOST_CELLS // n_columns + 1, dtype=np.int8))
    out = io.BytesIO()
    pq.write_table(pa.table({f"c{i}": column for i in range(n_columns)}), out)
    return table(folder, "t.parquet", out.getvalue())


@kind
def parquet_with_nested_remarks(folder: Path, rng: Rng) -> Case:
    """The remarks cost nothing but themselves: the rows are read, and the one without text is listed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sound.rows(rng)
    at = int(rng.integers(len(rows)))
    rows[at]["text"] = ""
    key = (b"huggingface", b"keiki", b"pandas")[int(rng.integers(3))]
    remark = (b"[", b'{"info":', b'{"a":[')[int(rng.integers(3))] * int(rng.integers(5_000, 100_000))
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({key: remark}), out)
    return table(folder, "t.parquet", out.getvalue(), bad=f"row {at + 1}")


@kind
def zip_that_names_a_file_outside(folder: Path, rng: Rng) -> Case:
    """One row names a sound picture that lies outside: it must not be read."""
    victim = sound.laid_out(folder, {"victim.png": sound.picture(rng)}).resolve() / "victim.png"
    inside = cache_root() / "unpacked" / ("0" * 64) / "files"
    outside = (str(victim), os.path.relpath(victim, inside), f"ash/../{os.path.relpath(victim, inside)}")
    cell = outside[int(rng.integers(len(outside)))]
    files = sound.photos(rng)
    rows = [(name, name.split("/")[0]) for name in files]
    rows.insert(int(rng.integers(len(rows))), (cell, "oak"))
    name = ("train.csv", "train.jsonl")[int(rng.integers(2))]
    dicts = [dict(zip(("file_name", "label"), row, strict=True)) for row in rows]
    lines = map(json.dumps, dicts) if name.endswith("jsonl") else ["file_name,label", *map(",".join, rows)]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in {**files, name: "\n".join(lines).encode()}.items():
            archive.writestr(each, data)
    return table(folder, "t.zip", out.getvalue(), bad=cell)
