"""Options: one frozen dataclass gives command-line flags, JSON, the search range and the row in the docs.

@dataclass(frozen=True, kw_only=True)
class Config(core.options.Config):
    rank: int = option(8, "rank of the weight update", search=Log(1, 64))
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from keiki.core.errors import OptionError, UnknownName


@dataclass(frozen=True)
class Linear:
    """Numbers between `low` and `high`, all equally likely."""

    low: float
    high: float

    def contains(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Log(Linear):
    """Numbers between `low` and `high` (both above 0), all orders of magnitude equally likely."""

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}, logarithmic"


@dataclass(frozen=True)
class OneOf:
    """One of the listed values."""

    values: tuple[object, ...]

    def contains(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return " | ".join(str(value) for value in self.values)


Search = Linear | Log | OneOf


def option(default: Any, help: str, *, search: Search | None = None, inner: bool = False) -> Any:
    """A field of a Config: its default, what it means (with unit), and the range that it may be searched in.

    inner: code sets it, people cannot; it stands in JSON, but not in the docs and not on the command line.
    """
    return field(default=default, metadata={"help": help, "search": search, "inner": inner})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parent of every options class: frozen, keyword-only, JSON-able, checked on creation."""

    def __post_init__(self) -> None:
        for name, kind in _types(type(self)).items():
            _check(f"{name}", getattr(self, name), kind)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The options in `data`; an unknown key is refused with the near miss.

        Lists become tuples where the field wants a tuple.
        """
        kinds = _types(cls)
        for name in data:
            if name not in kinds:
                raise UnknownName("option", name, kinds)
        return cls(**{name: _revive(value, kinds[name]) for name, value in data.items()})

    @classmethod
    def parse(cls, assignments: Iterable[str]) -> Self:
        """The options from the command line, each `NAME=VALUE`; the value is read by the field's own type."""
        inner = {f.name for f in fields(cls) if f.metadata["inner"]}
        kinds = {name: kind for name, kind in _types(cls).items() if name not in inner}
        values: dict[str, object] = {}
        for text in assignments:
            name, equals, value = text.partition("=")
            name = name.strip().replace("-", "_")
            if not equals:
                raise OptionError(f"'{text}' is not of the form OPTION=VALUE.", hint="Example: --set epochs=10")
            if name not in kinds:
                raise UnknownName("option", name, kinds)
            values[name] = _parse(name, value.strip(), kinds[name])
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """All options as plain JSON values; `from_json` turns them back into an equal object."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}


@dataclass(frozen=True)
class Row:
    """One option as the docs and the search see it."""

    name: str
    type: str
    default: object
    help: str
    search: Search | None


def rows(config: type[Config]) -> list[Row]:
    """One row an option that people can set, in the order of declaration."""
    kinds = _types(config)
    return [
        Row(f.name, _label(kinds[f.name]), f.default, f.metadata["help"], f.metadata["search"])
        for f in fields(config)
        if not f.metadata["inner"]
    ]


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def _types(config: type[Config]) -> dict[str, Any]:
    hints = typing.get_type_hints(config)
    return {f.name: hints[f.name] for f in fields(config)}


def _members(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def _label(kind: Any) -> str:
    """A type as people read it.

    >>> _label(int | typing.Literal["auto"]), _label(float | None), _label(tuple[int, ...])
    ('int | auto', 'float | None', 'tuple[int, ...]')
    """
    if len(_members(kind)) > 1:
        return " | ".join(_label(member) for member in _members(kind))
    if kind is types.NoneType:
        return "None"
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(str(value) for value in typing.get_args(kind))
    return getattr(kind, "__name__", str(kind)) if not typing.get_args(kind) else str(kind).replace("typing.", "")


def _fits(value: object, kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return value in typing.get_args(kind)
    if origin is tuple:
        inner = typing.get_args(kind)[0]
        return isinstance(value, tuple) and all(_fits(each, inner) for each in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind) if isinstance(kind, type) else value is None and kind in (None, types.NoneType)


def _check(name: str, value: object, kind: Any) -> None:
    if not any(_fits(value, member) for member in _members(kind)):
        raise OptionError(f"Option '{name}' must be {_label(kind)}, but got {value!r}.")


def _parse(name: str, text: str, kind: Any) -> object:
    for member in _members(kind):
        try:
            value = _read(text, member)
        except ValueError:
            continue
        if _fits(value, member):
            return value
    raise OptionError(f"Option '{name}' must be {_label(kind)}, but got '{text}'.")


def _read(text: str, kind: Any) -> object:
    if kind is bool:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    if kind in (None, types.NoneType):
        return None if text.lower() in ("none", "") else text
    if typing.get_origin(kind) is typing.Literal:
        return next((value for value in typing.get_args(kind) if str(value) == text), text)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        return tuple(_read(part.strip(), inner) for part in text.split(",") if part.strip())
    return kind(text)


def _plain(value: object) -> object:
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _revive(value: object, kind: Any) -> object:
    wants_tuple = any(typing.get_origin(member) is tuple for member in _members(kind))
    return tuple(value) if wants_tuple and isinstance(value, list) else value
