"""Contract checks: each promise is one short function, run over everything that is registered.

CHECKS = Checks()

@CHECKS.add
def config_survives_json(method): ...

@pytest.mark.parametrize("check", CHECKS.all(), ids=str)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """A promise and the function that fails when it is broken."""

    name: str
    run: Callable[..., None]

    def __str__(self) -> str:
        return self.name

    def __call__(self, *arguments: Any) -> None:
        self.run(*arguments)


class Checks:
    """The promises of one kind of thing, in the order of their declaration."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def add(self, function: Callable[..., None]) -> Callable[..., None]:
        self._checks.append(Check(function.__name__, function))
        return function

    def all(self) -> list[Check]:
        return list(self._checks)


def require(holds: bool, promise: str) -> None:
    """Fail with the promise in words; an explicit raise, so that `python -O` cannot switch checks off."""
    if not holds:
        raise AssertionError(promise)
