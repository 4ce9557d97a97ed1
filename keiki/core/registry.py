"""One name, one thing: discovers a folder and entry points, refuses duplicates, offers the near miss."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from keiki.core.errors import RequestError, UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things of one kind.

    The modules of `package` are imported on first use, and with them every `@REGISTRY.add("name")` in them; plug-ins
    come through the entry-point group of the same name as the package. Nothing is listed by hand anywhere.

    >>> shapes: Registry[type] = Registry("shape", package=None)
    >>> @shapes.add("round")
    ... class Round: ...
    >>> shapes.get("round").__name__
    'Round'
    """

    def __init__(self, kind: str, package: str | None) -> None:
        self.kind = kind
        self.package = package
        self._things: dict[str, T] = {}
        self._discovered = package is None

    def add(self, name: str) -> Callable[[T], T]:
        """Decorator that registers a thing under `name`; a second thing of that name is refused."""

        def register(thing: T) -> T:
            if name in self._things and self._things[name] is not thing:
                raise RequestError(
                    f"Two things want to be the {self.kind} '{name}': {self._things[name]!r} and {thing!r}.",
                    hint="Rename one of them.",
                )
            self._things[name] = thing
            return thing

        return register

    def get(self, name: str) -> T:
        """The thing called `name`; raises UnknownName with the near miss."""
        self._discover()
        if name not in self._things:
            raise UnknownName(self.kind, name, self._things)
        return self._things[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._discover()
        return sorted(self._things)

    def items(self) -> Iterator[tuple[str, T]]:
        """Pairs of name and thing, sorted by name."""
        for name in self.names():
            yield name, self._things[name]

    def values(self) -> Iterator[T]:
        """All things, sorted by name."""
        for name in self.names():
            yield self._things[name]

    def _discover(self) -> None:
        if self._discovered or self.package is None:
            return
        self._discovered = True
        folder = importlib.import_module(self.package)
        try:
            for module in pkgutil.iter_modules(folder.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            for point in entry_points(group=self.package):
                point.load()
        except BaseException:
            self._discovered = False  # half a discovery is none
            raise
