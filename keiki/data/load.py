"""From paths to a task in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keiki.core.errors import RequestError
from keiki.data.health import check
from keiki.data.sources.base import Request, read
from keiki.data.split import Given, make_task
from keiki.data.task import Dataset, Task

Named = Path | str | float | None


@dataclass(frozen=True)
class Pieces:
    """What was read: the data, and what was given beside them for validation and test."""

    data: Dataset
    val: Given = None
    test: Given = None

    def task(self, seed: int = 0, name: str | None = None) -> Task:
        """The task that they pose."""
        return make_task(self.data, val=self.val, test=self.test, seed=seed, name=name)


def read_pieces(data: Path | str, *, val: Named = None, test: Named = None, request: Request | None = None) -> Pieces:
    """Read `data`, and `val` and `test` where they are paths; shares stay numbers.

    Raises DataError where too many items are unreadable, RequestError for a share that is none.
    """
    whole = check(read(Path(data), request))
    return Pieces(whole, _given("val", val, request), _given("test", test, request))


def load_task(
    data: Path | str, *, val: Named = None, test: Named = None, request: Request | None = None, seed: int = 0
) -> Task:
    """The task in the files at `data`; val and test: paths, shares between 0 and 1, or None."""
    return read_pieces(data, val=val, test=test, request=request).task(seed)


def _given(name: str, value: Named, request: Request | None) -> Given:
    """A share or a dataset: '0.2' is a share unless a file is called so."""
    if value is None or isinstance(value, float):
        return value
    path = Path(value)
    if not path.exists():
        try:
            return float(value) if isinstance(value, str) else float(str(value))
        except ValueError:
            pass  # not a number: `read` explains what is wrong with the path
    dataset = check(read(path, request))
    if dataset.labels is None:
        raise RequestError(f"The data for --{name} ('{path}') have no labels.", hint="Name the column: --label COLUMN")
    return dataset
