"""Where the head starts of a network on a model of the user's own: classes that it knew keep their rows."""

from __future__ import annotations

import numpy as np

from keiki.methods.base import Model
from keiki.nn.linear import LinearHead


def place_known_rows(model: Model) -> None:
    """Let the rows of classes that the source model knows by name start from its own; the others stay at zero.

    Only where the start is the user's own and the network's head is plainly linear: what a public classifier calls
    'crane' need not be what the user does. A head that is solved anew before the descent replaces all rows.
    """
    from keiki.nn.heads import Head

    source = None if model.backbone.public is model.backbone else model.backbone.source_head()
    if source is None or type(model.network.head) is not Head or model.network.neck.changes:
        return
    rows = known_rows(source.head, source.classes, model.target.classes)
    if rows is not None:
        model.network.head.place(rows)


def known_rows(head: LinearHead, theirs: tuple[str, ...], ours: tuple[str, ...]) -> LinearHead | None:
    """The head for `ours` with the rows of `theirs` where the names are equal, else zeros; None where none is.

    What all source rows have in common is taken off them: it changes no answer among them, and without it a row of
    zeros stands for their average, neither above nor below them all.

    >>> head = LinearHead(np.array([[3.0], [1.0]]), np.array([2.0, 0.0]))
    >>> found = known_rows(head, ("cat", "dog"), ("ant", "dog"))
    >>> found.weight.tolist(), found.bias.tolist()
    ([[0.0], [-1.0]], [0.0, -1.0])
    """
    shared = [name for name in ours if name in theirs]
    if not shared:
        return None
    weight, bias = np.zeros((len(ours), head.weight.shape[1])), np.zeros(len(ours))
    to, of = [ours.index(name) for name in shared], [theirs.index(name) for name in shared]
    weight[to] = head.weight[of] - head.weight.mean(axis=0)
    bias[to] = head.bias[of] - head.bias.mean()
    return LinearHead(weight, bias)
