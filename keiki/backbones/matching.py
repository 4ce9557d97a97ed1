"""Which tensor of a file is which of a network, told from names and shapes alone.

The same network is saved under many names: `blocks.0.conv.weight` (timm), `net.blocks.0.conv.weight` (ours),
`module.model.blocks.0.conv.weight` (wrapped twice), `bert.embeddings...` (with a head beside it). What is put in front
differs, the rest does not; so one prefix is taken off all names, and it is the one under which most tensors fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

WRAPPER = "net."  # what our modules put in front of the names of the network inside
DEEPEST = 3  # parts of a name that a prefix may have
COUNTER = "num_batches_tracked"  # of BatchNorm: no answer depends on it, and old files lack it
UNREAD = (COUNTER, "position_ids", "token_type_ids")  # buffers that the same network may have or not
SHOWN = 3


@dataclass(frozen=True)
class Match:
    """names: name in the network -> name in the file. missing, differing, foreign: what keeps the two from being the
    same network, by names as the network or the file has them. head: weight and bias of a linear layer on the
    features, where that is all that the file holds besides."""

    names: dict[str, str]
    missing: tuple[str, ...] = ()
    differing: tuple[tuple[str, Shape, Shape], ...] = ()  # name, shape in the network, shape in the file
    foreign: tuple[str, ...] = ()
    head: tuple[str, str] | None = None

    @property
    def fits(self) -> bool:
        """Whether the file holds this network: all of it, and nothing inside it that it lacks."""
        return bool(self.names) and not (self.missing or self.differing or self.foreign)

    def troubles(self) -> str:
        """What misses or differs, in words; the first few of each kind."""
        parts = []
        if self.missing:
            parts.append(f"it lacks {_listed(self.missing)}")
        if self.differing:
            shapes = [f"'{name}' is {_size(theirs)} instead of {_size(ours)}" for name, ours, theirs in self.differing]
            parts.append(_some(shapes))
        if self.foreign:
            parts.append(f"it has {_listed(self.foreign)} besides")
        return "; ".join(parts)


def match(file: Shapes, network: Shapes, width: int) -> Match:
    """How the tensors of `file` lie on those of `network`, whose features are `width` wide.

    >>> net = {"net.a.weight": (4, 3), "net.a.bias": (4,)}
    >>> saved = {"model.a.weight": (4, 3), "model.a.bias": (4,), "model.fc.weight": (2, 4), "model.fc.bias": (2,)}
    >>> found = match(saved, net, width=4)
    >>> found.names["net.a.bias"], found.head
    ('model.a.bias', ('model.fc.weight', 'model.fc.bias'))
    >>> match({"a.weight": (5, 3)}, net, 4).troubles()
    "it lacks 'net.a.bias'; 'net.a.weight' is 5 x 3 instead of 4 x 3"
    """
    ways = [_renamed(file, network, prefix) for prefix in _prefixes(file)]
    names = max(ways, key=lambda way: (sum(file[way[name]] == network[name] for name in way), len(way)))
    rest = {name: shape for name, shape in file.items() if name not in set(names.values())}
    head = _head(rest, width)
    prefix = _prefix_of(names)
    return Match(
        {ours: theirs for ours, theirs in names.items() if file[theirs] == network[ours]},
        tuple(name for name in network if name not in names and not name.endswith(UNREAD)),
        tuple((ours, network[ours], file[theirs]) for ours, theirs in names.items() if file[theirs] != network[ours]),
        tuple(name for name in rest if name not in (head or ()) and _is_inside(name, prefix, network)),
        head,
    )


def _prefixes(file: Shapes) -> list[str]:
    """What may stand in front of all names of the network: nothing, or what half of the file's names begin with."""
    found = Counter[str]()
    for name in file:
        parts = name.split(".")[:-1]
        found.update(".".join(parts[:depth]) + "." for depth in range(1, min(DEEPEST, len(parts)) + 1))
    return ["", *(prefix for prefix, n in found.items() if 2 * n >= len(file))]


def _renamed(file: Shapes, network: Shapes, prefix: str) -> dict[str, str]:
    """Name in the network -> name in the file, with `prefix` taken off, whether the file's names begin with WRAPPER or
    not."""
    names = {}
    for name in network:
        for own in (name, name.removeprefix(WRAPPER)):
            if prefix + own in file:
                names[name] = prefix + own
                break
    return names


def _prefix_of(names: Mapping[str, str]) -> str:
    """What the file puts in front of a network's own names, WRAPPER included."""
    ours, theirs = next(iter(names.items()), ("", ""))
    return theirs.removesuffix(ours.removeprefix(WRAPPER))


def _is_inside(name: str, prefix: str, network: Shapes) -> bool:
    """Whether a tensor that is left over belongs to a part that the network has: then it is another network."""
    if not name.startswith(prefix) or name.endswith(UNREAD):
        return False
    parts = {own.removeprefix(WRAPPER).partition(".")[0] for own in network}
    return name.removeprefix(prefix).partition(".")[0] in parts


def _head(rest: Shapes, width: int) -> tuple[str, str] | None:
    """The one linear layer (C, width) among the tensors left over; None where there is no matrix, or more than one:
    then what lies between features and classes is more than one layer."""
    matrices = [name for name, shape in rest.items() if len(shape) > 1]
    if len(matrices) != 1 or not matrices[0].endswith("weight"):
        return None
    weight, bias = matrices[0], matrices[0].removesuffix("weight") + "bias"
    shape = rest[weight]
    return (weight, bias) if len(shape) == 2 and shape[1] == width and rest.get(bias) == shape[:1] else None


def _listed(names: tuple[str, ...]) -> str:
    return _some([f"'{name}'" for name in names])


def _some(said: list[str]) -> str:
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return ", ".join(said[:SHOWN]) + more


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "one number"
