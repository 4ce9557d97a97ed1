"""Parquet: one file, or a folder with the files of a published data set (`train-00000-of-00002.parquet`)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from keiki.data.parquet import read_parquet
from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.sources.layout import PARQUET, shards
from keiki.data.sources.tabular import table_dataset
from keiki.data.task import Dataset


@SOURCES.add("parquet")
class ParquetSource(Source):
    """Typed columns as text cells: integers of class labels become their names, pictures are laid into the cache."""

    name: ClassVar[str] = "parquet"
    example: ClassVar[str] = "a .parquet table, or a folder of such files (train-*.parquet, test-*.parquet)"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.suffix.lower() in PARQUET if path.is_file() else path.is_dir() and bool(shards(path))

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        if path.is_file():
            return table_dataset(read_parquet([path]), path, request)
        return table_dataset(read_parquet(shards(path)), path, request, path)
