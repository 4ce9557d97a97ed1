"""Copies that spoil an evaluation: across given parts, or under two labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from keiki.data.names import listing
from keiki.data.task import Dataset, Part

Warnings = tuple[dict[str, str], ...]
Keys = Sequence[Hashable | None]  # (N,) rows of one key are copies of one another; None = of nothing
_LEAKED = "test items are exact or near copies of training items"


def double_warnings(data: Dataset, parts: Sequence[Part], alike: Mapping[str, Hashable] | None = None) -> Warnings:
    """Warnings for copies under two labels, and for copies and groups that stand on two sides of a given split.

    alike: content (digest) -> its set of near copies.
    """
    near = alike or {}
    copies = [near.get(content, content) for content in data.items.digests]
    return (
        *_contradictions(data),
        *_across(data, parts, copies, "exact or near copies of"),
        *(_across(data, parts, data.groups, "in one group with") if data.groups else ()),
    )


def is_of_leak(warning: Mapping[str, str]) -> bool:
    """Whether a warning of `double_warnings` says that test items are copies of training items."""
    return _LEAKED in warning["what"]


def _contradictions(data: Dataset) -> Warnings:
    labels: dict[str, set[str]] = defaultdict(set)
    names: dict[str, list[str]] = defaultdict(list)
    for digest, label, name in zip(data.items.digests, data.labels or (), data.items.ids, strict=True):
        labels[digest].add(label)
        names[digest].append(name)
    torn = [digest for digest, each in labels.items() if len(each) > 1]
    if not torn:
        return ()
    shown = "; ".join(
        f"{listing(names[digest], 2)} as {' and '.join(repr(label) for label in sorted(labels[digest]))}"
        for digest in torn[:3]
    )
    count = f"{len(torn)} items occur" if len(torn) > 1 else "1 item occurs"
    return (
        {
            "what": f"{count} under different labels: {shown}{'; ...' if len(torn) > 3 else ''}.",
            "remedy": "Decide on one label for each, or remove the copies.",
        },
    )


def _across(data: Dataset, parts: Sequence[Part], keys: Keys, how: str) -> Warnings:
    learned = {key for key, part in zip(keys, parts, strict=True) if part == "train" and key is not None}
    warnings = []
    for part, noun in (("val", "validation"), ("test", "test")):
        names = [
            name for name, key, own in zip(data.items.ids, keys, parts, strict=True) if own == part and key in learned
        ]
        if names:
            warnings.append(
                {
                    "what": f"{len(names)} {noun} items are {how} training items: {listing(names)}.",
                    "remedy": f"Remove them from one side; the {noun} figures may be too good.",
                }
            )
    return tuple(warnings)
