"""A batch in parts: their gradients add up to that of the whole, in less memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from keiki.data.task import Batch


def split(batch: Batch, pieces: int) -> Iterator[tuple[Batch, float]]:
    """The parts of a batch, as equal as can be, each with its share of the items; no part holds one item alone.

    A loss that is a mean over items keeps its gradient: sum of share * gradient(part). One that is not (BatchNorm
    statistics, singular values of a batch) sees the parts.
    """
    n = len(batch.labels)
    for at in np.array_split(np.arange(n), min(pieces, most_pieces(batch))):
        yield _take(batch, at), len(at) / n


def most_pieces(batch: Batch) -> int:
    """Into how many parts a batch can be split at most."""
    return max(1, len(batch.labels) // 2)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python says that memory ran out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def _take(batch: Batch, at: np.ndarray) -> Batch:
    if len(at) == len(batch.labels):
        return batch
    arrays = {name: array[at] for name, array in batch.inputs.items()}
    mixed = {name: None if (all := getattr(batch, name)) is None else all[at] for name in ("others", "shares")}
    part = replace(batch, inputs=arrays, labels=batch.labels[at], positions=batch.positions[at], **mixed)
    return replace(part, partners=None)  # they are rows of the whole batch
