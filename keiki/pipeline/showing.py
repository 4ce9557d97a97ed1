"""Items as the page shows them: by thumbnail or text and name, or by nothing where the user wanted no samples."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from keiki.backbones.features import FeatureBank
from keiki.data.task import Items, Skipped, Task
from keiki.evaluation.report.insight import Shown

GLIMPSE = 300  # characters of a text
UNNAMED = "(name left out)"


@dataclass(frozen=True)
class Showing:
    """What may be shown of the items of a task. `samples` False: no picture, no text, no name."""

    task: Task
    samples: bool
    thumbnails: dict[int, str]

    @classmethod
    def of(cls, task: Task, bank: FeatureBank, rows: Iterable[int], samples: bool) -> Showing:
        """Ready to show `rows`; their thumbnails are read at once, since each shard holds those of many."""
        wanted = sorted(set(rows)) if samples and task.modality == "image" else []
        facts = bank.facts(task.items.take(wanted)) if wanted else []
        return cls(
            task,
            samples,
            {row: data_uri(fact.thumbnail) for row, fact in zip(wanted, facts, strict=True) if fact.thumbnail},
        )

    def item(self, row: int) -> Shown:
        """The item at `row` of the task."""
        label, side = self.task.target.classes[self.task.labels[row]], self.side(row)
        if not self.samples:
            return Shown(label=label, side=side)
        return Shown(
            label=label,
            id=self.task.items.ids[row],
            side=side,
            thumbnail=self.thumbnails.get(row),
            text=self.text(row, GLIMPSE),
        )

    def text(self, row: int, most: int) -> str | None:
        """The beginning of a text; None for other items, and where samples are left out."""
        raw = self.task.items.raws[row]
        return raw[:most] if self.samples and isinstance(raw, str) else None

    def side(self, row: int) -> Literal["training", "test", ""]:
        """Where the item stood; "" where every item was judged in turn."""
        if self.task.protocol == "nested":
            return ""
        return "test" if row in self.task.test else "training"


def nameless(task: Task) -> Callable[[str], str]:
    """What takes the names of a task's items and their files, and of the groups that the user named, out of a text."""
    return without_names(task.items, task.skipped, task.declared or ())


def without_names(items: Items, skipped: Iterable[Skipped], groups: Iterable[str]) -> Callable[[str], str]:
    """What takes the names of items and their files, and of groups, out of a text.

    A name that could be any word or figure is taken out where a sentence can only mean the item: in quotation marks,
    before the reason why it was left out, and in brackets that hold nothing but names. So is a text that is nothing but
    a name.
    """
    gone = tuple(skipped)
    names = {*items.ids, *(each.id for each in gone), *groups} - {""}
    files = {raw.name for raw in items.raws if isinstance(raw, Path)}
    lost = [(f"{each.id}: {each.reason}", f"{UNNAMED}: {each.reason}") for each in gone]
    longest_first = sorted(names, key=len, reverse=True)

    def named(found: re.Match[str]) -> str:
        parts = found[1].split(", ")
        return f"({', '.join([UNNAMED] * len(parts))})" if len(parts) > 1 and names.issuperset(parts) else found[0]

    def filed(found: re.Match[str]) -> str:
        return f"'{UNNAMED}'" if PurePosixPath(found[1]).name in files else found[0]

    def plainly(text: str) -> str:
        if text in names:
            return UNNAMED
        for told, left in lost:
            text = text.replace(told, left)
        text = _QUOTED.sub(filed, _BRACKETS.sub(named, text))
        for name in longest_first:
            if name in text:
                before, after = ("(?<=')", "(?=')") if _could_be_any(name) else (r"(?<![\w/.-])", r"(?![\w-])")
                text = re.sub(f"{before}{re.escape(name)}{after}", UNNAMED, text)
        return text

    return plainly


def in_values(value: Any, plainly: Callable[[str], str]) -> Any:
    """Plain JSON values with all their texts, but not the names of fields, as `plainly` leaves them."""
    if isinstance(value, str):
        return plainly(value)
    if isinstance(value, Mapping):
        return {name: in_values(each, plainly) for name, each in value.items()}
    return [in_values(each, plainly) for each in value] if isinstance(value, list | tuple) else value


_BRACKETS = re.compile(r"\(([^()]*)\)")
_QUOTED = re.compile(r"(?<!\w)'([^']+)'")


def _could_be_any(name: str) -> bool:
    """Whether a name is a common word or a figure, which sentences hold for other reasons too."""
    return (name.islower() and name.isalpha()) or not any(letter.isalpha() for letter in name)


def data_uri(jpeg: bytes) -> str:
    """A JPEG as it stands in the page itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
