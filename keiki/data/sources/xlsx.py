"""Spreadsheets (.xlsx): one sheet as a table."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from keiki.data.sources.base import SOURCES, Request, Source
from keiki.data.sources.layout import WORKBOOKS
from keiki.data.sources.tabular import table_dataset
from keiki.data.task import Dataset
from keiki.data.workbook import read_workbook


@SOURCES.add("xlsx")
class XlsxSource(Source):
    """The one sheet with rows in it, or the one that is named: `book.xlsx#Sheet2`."""

    name: ClassVar[str] = "xlsx"
    example: ClassVar[str] = "an .xlsx spreadsheet; book.xlsx#Sheet2 names one of several sheets"
    has_parts: ClassVar[bool] = True

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in WORKBOOKS

    @classmethod
    def read(cls, path: Path, request: Request) -> Dataset:
        return table_dataset(read_workbook(path, request.inner), path, request)
