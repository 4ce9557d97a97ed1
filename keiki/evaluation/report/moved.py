"""The part of report.json that tells of fine-tuning: what was free to move, what moved how far, at what cost.

Conventions are those of schema.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiki.evaluation.report.part import Interval, Part

Plain = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Piece(Part):
    """One stage of the network, from input to output.

    parameters: numbers in it; moving: those that were free to move; added: those that the pretrained network lacks.
    relative: ||w - w0|| / ||w0||, w0 being the weights that training began from; None where there is nothing to
    compare. statistics: the same of its BatchNorms' running means and variances.
    """

    name: str
    parameters: int
    moving: int
    added: int = 0
    relative: float | None = None
    statistics: float | None = None

    @property
    def still(self) -> bool:
        """Whether nothing of it was free to move."""
        return not self.moving

    @property
    def extended(self) -> bool:
        """Whether only what was added to it was free to move, and its own weights lay still."""
        return 0 < self.moving <= self.added


@dataclass(frozen=True, kw_only=True)
class Still(Part):
    """The proof of what was frozen: number of tensors and of numbers in them, SHA-256 before and after training."""

    tensors: int
    parameters: int
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Choice(Part):
    """An option of the method, the value that it had, and why."""

    option: str
    value: Plain
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Probe(Part):
    """The linear probe on the same features, fitted to the same items.

    seconds: what it took, the features being there. gain: its log loss less that of the tuned network, both
    calibrated, on `n` training items that neither had learned from (nats per item); None where there are too few.
    flattered: whether the network was stopped by these items.
    """

    seconds: float
    gain: Interval | None = None
    n: int = 0
    flattered: bool = False


@dataclass(frozen=True, kw_only=True)
class Moved(Part):
    """A fine-tuned network.

    method: its title; shipped: whether it is the model in the bundle. pieces: the stages of the pretrained network,
    `n_moved` of them were free to move; head: numbers in the head of the task, which is new. fitted: how many numbers
    were trained, `share` of all; where they are `merged` they stood beside the weights and were added to them in the
    end. seconds: of the fit that made it, `descending` of them in steps; `in_all` with the
    fits that judged it. epochs, steps: of the first fit; again_epochs, again_steps: of that on all items, where there
    was one. stopped: epochs | patience | budget | diverged. pace, boundary: how steps were computed, and
    what of the frozen stages' answers was kept instead of being computed anew (or `why_not`), as names and values.
    probe_kept: whether the linear probe was better on the items kept apart, and is what the method ended with.
    """

    method: str
    shipped: bool
    pieces: tuple[Piece, ...]
    n_moved: int
    head: int
    fitted: int
    share: float
    merged: bool = False
    seconds: float
    descending: float | None = None
    in_all: float | None = None
    epochs: int = 0
    steps: int = 0
    again_epochs: int = 0
    again_steps: int = 0
    stopped: str = ""
    frozen: Still | None = None
    recipe: tuple[Choice, ...] = ()
    pace: dict[str, Plain]
    boundary: dict[str, Plain]
    probe: Probe | None = None
    probe_kept: bool = False
