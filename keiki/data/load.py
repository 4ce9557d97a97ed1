"""From paths, or data in memory, to a task in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from keiki.core.errors import RequestError
from keiki.core.places import cache_root
from keiki.data.health import check
from keiki.data.sources.base import Request, exists, read
from keiki.data.split import Given, make_task
from keiki.data.task import Dataset, Task

SHELF = "shelf"  # folder of the cache in which data from memory are kept

Named = object  # a path, a share between 0 and 1, data in memory, or None


@dataclass(frozen=True)
class Pieces:
    """What was read: the data, and what was given beside them for validation and test."""

    data: Dataset
    val: Given = None
    test: Given = None

    def task(self, seed: int = 0, name: str | None = None) -> Task:
        """The task that they pose."""
        return make_task(self.data, val=self.val, test=self.test, seed=seed, name=name)


def place_of(data: object, shelf: Path | None = None) -> Path:
    """The path of `data`: itself, or where data in memory are written to (by default below the cache).

    Raises DataError for what is no data, with a list of what can be given.
    """
    if isinstance(data, str | Path):
        return Path(data)
    from keiki.data.sources.memory import shelved

    return shelved(data, shelf or cache_root() / SHELF)


def read_pieces(data: object, *, val: Named = None, test: Named = None, request: Request | None = None) -> Pieces:
    """Read `data`, and `val` and `test` where they are data too; shares stay numbers.

    Raises DataError where too many items are unreadable, RequestError for a share that is none.
    """
    whole = check(read(place_of(data), request))
    return Pieces(whole, _given("val", val, request), _given("test", test, request))


def load_task(
    data: object, *, val: Named = None, test: Named = None, request: Request | None = None, seed: int = 0
) -> Task:
    """The task in `data`: a path, or a DataFrame, data set or arrays in memory; val and test: the same, or shares."""
    return read_pieces(data, val=val, test=test, request=request).task(seed)


def _given(name: str, value: Named, request: Request | None) -> Given:
    """A share or a dataset: '0.2' is a share unless a file is called so."""
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, str | int) and not exists(Path(str(value))):
        try:
            return float(value)
        except ValueError:
            pass  # not a number: `read` explains what is wrong with the path
    path = place_of(value)
    dataset = check(read(path, replace(request or Request(), strict=False, learned=False)))
    if dataset.labels is None:
        raise RequestError(f"The data for --{name} ('{path}') have no labels.", hint="Name the column: --label COLUMN")
    return dataset
