"""Items as the page shows them: by thumbnail or text and name, or by nothing where the user wanted no samples."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from keiki.backbones.features import FeatureBank
from keiki.data.task import Task
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
    """What takes the names of items, and of the groups that the user named, out of a sentence.

    A name that could be any word is taken out where it stands in quotation marks.
    """
    names = {*task.items.ids, *(each.id for each in task.skipped), *(task.declared or ())}
    telling = sorted((name for name in names if not name.isdecimal()), key=len, reverse=True)

    def plainly(text: str) -> str:
        for name in telling:
            if name in text:
                before, after = (
                    ("(?<=')", "(?=')") if name.islower() and name.isalpha() else (r"(?<![\w/.-])", r"(?![\w-])")
                )
                text = re.sub(f"{before}{re.escape(name)}{after}", UNNAMED, text)
        return text

    return plainly


def data_uri(jpeg: bytes) -> str:
    """A JPEG as it stands in the page itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
