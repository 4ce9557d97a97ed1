"""A table: CSV, TSV or JSON lines with a column of texts or of picture files, and a column of labels."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from keiki.data.rows import SUFFIXES, read_table
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.sources.tabular import table_dataset
from keiki.data.task import Dataset


@SOURCES.add("table")
class TableSource(Source):
    """One row an item. Columns that are not named are guessed, and the guess is said."""

    name: ClassVar[str] = "table"
    example: ClassVar[str] = "a .csv, .tsv or .jsonl table with a column of texts or picture files and one of labels"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES | {".txt"}

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        return table_dataset(read_table(path), path, request)
