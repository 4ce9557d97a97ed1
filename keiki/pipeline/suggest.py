"""What to label next: the items of a pool that would teach the model of a run most."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.outputs import FEATURES, PROBABILITIES, UNFAMILIARITY
from keiki.core.errors import DataError, OptionError, UnknownName
from keiki.core.files import sha256_bytes
from keiki.core.random import Randomness
from keiki.data.sources.base import Request
from keiki.data.sources.base import read as read_data
from keiki.data.task import Dataset, Index, Modality
from keiki.evaluation.acquisition import STRATEGIES, Choice, Features, choose
from keiki.metrics.base import Floats
from keiki.pipeline import answers as answers_of
from keiki.pipeline.copies import near_training, owner_of
from keiki.pipeline.finished import at
from keiki.pipeline.folder import DONE, read
from keiki.pipeline.request import FitRequest
from keiki.pipeline.worklist import Suggestion
from keiki.serving.columns import read_as_fitted

OF_ITS_OWN = frozenset({"data", "out", "add", "source_digest"})  # a fit repeated with newly labelled items has its own
CHUNK = 1024  # items between two reports of progress
NUMBERS = 2**24  # of features at a time: 64 MB
KEPT_NUMBERS = 2**26  # of features in all: 256 MB; a larger pool is compared in fewer, random directions
MOST_DIRECTIONS, FEWEST_DIRECTIONS = 512, 64
CLOSE = 0.2  # lead of the most probable class below which the next one is named too
SURE = 0.8  # probability from which the model is called rather sure
FAR = 0.5  # distance, relative to the farthest, from which an item is called unlike those before it

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Suggested:
    """The items, the most useful first, and what of the pool was left out.

    pool: all items in it. seen: the fit was made with them; judged: the run was judged by them, so they have labels;
    copies: of other items of the pool; near: near copies of training items. command: the fit to which the filled-in
    table can be added, as far as known.
    """

    by: str
    modality: Modality
    items: tuple[Suggestion, ...]
    pool: int
    seen: int
    judged: int
    copies: int
    near: int
    unreadable: int
    notes: tuple[str, ...]
    command: str

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "by": self.by,
            "pool": self.pool,
            "seen": self.seen,
            "judged": self.judged,
            "copies": self.copies,
            "near": self.near,
            "unreadable": self.unreadable,
            "notes": list(self.notes),
            "items": [
                {"id": each.id, "suggested_label": each.label, "probability": each.probability, "why": each.why}
                for each in self.items
            ],
        }


@dataclass(frozen=True)
class _Answers:
    """What the model makes of the candidates: shares (N, C), features (N, D') or None, and who is unfamiliar (N,)."""

    rows: Index
    shares: Floats
    features: Features | None
    strange: npt.NDArray[np.bool_]
    errors: dict[int, str]


def suggest(
    run: Path,
    pool: Path,
    n: int,
    *,
    by: str = "mix",
    request: Request | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Suggested:
    """Choose `n` items of `pool` (a folder, a table, a zip; labels in it are ignored) for a person to label.

    Left out are items that the run has seen or was judged by, near copies of its training items, exact copies
    within the pool, and what cannot be read. A table is read by the columns of the fit, unless `request` names others.
    Raises UnknownName for another way to choose, OptionError for n below 1, DataError where nothing is left.
    """
    if by not in STRATEGIES:
        raise UnknownName("way to choose", by, STRATEGIES)
    if n < 1:
        raise OptionError(f"-n must be 1 or more, but got {n}.")
    bundle = Bundle.open(run)
    asked = replace(request or Request(), labelled=False)
    data = read_as_fitted(lambda wish: read_data(pool, wish), asked, bundle.columns, ("input",))
    _refuse_kind(data, bundle)
    owner = owner_of(run)
    rows, counts = _candidates(data, bundle, owner)
    near = near_training(run, bundle, data.take(rows))
    gone = {rows[place] for place in near.rows}
    rows = [row for row in rows if row not in gone]
    found = _ask(bundle, data, rows, by in ("mix", "coreset"), seed, progress)
    unread = len(found.errors) + sum(not each.foreign for each in data.skipped)
    if not len(found.rows):
        raise DataError(
            f"No item of '{pool}' is left to label: of {len(data)} the run has seen {counts['seen']}, "
            f"{counts['judged']} have judged it, {counts['copies']} are copies, "
            f"{len(gone)} near copies of training items, and {unread} cannot be read.",
            hint="Give a pool of new items.",
        )
    choice = choose(by, found.shares, found.features, n, Randomness(seed).numpy("suggest", "choose"))
    config = {} if owner is None else at(read(owner / DONE), "config") or {}
    notes = [*data.notes, *([near.why_not] if near.why_not else [])]
    if gone:
        notes.append(f"Left out: {len(gone)} near copies of training items, from which the model would learn little.")
    if config.get("add"):
        notes.append(
            f"The run was fitted with --add {config['add']}; for the next fit put the rows of both in one table."
        )
    if len(choice.rows) < n:
        notes.append(f"Only {len(choice.rows)} items were left, fewer than the {n} that were asked for.")
    return Suggested(
        by=by,
        modality=data.items.modality,
        items=tuple(_suggestions(data, bundle, found, choice)),
        pool=len(data) + sum(not each.foreign for each in data.skipped),
        **counts,
        near=len(gone),
        unreadable=unread,
        notes=tuple(notes),
        command=fit_command(config),
    )


def fit_command(config: Mapping[str, Any]) -> str:
    """`keiki fit` as a run was asked for (`FitRequest.to_json`), but for where it writes and what it adds.

    >>> fit_command({"data": "my tickets.csv", "label": "team", "test": None, "seed": 0, "samples": False})
    "keiki fit 'my tickets.csv' --label team --no-samples"
    """
    wishes = (each for each in fields(FitRequest) if each.name not in OF_ITS_OWN)
    words = [
        word
        for each in wishes
        if config.get(each.name) is not None and config[each.name] != each.default
        for word in _wish(each.name, config[each.name])
    ]
    return f"keiki fit {shlex.join([str(config.get('data', 'DATA')), *words])}"


def _wish(name: str, value: Any) -> Iterator[str]:
    """A wish as words of the command line."""
    if name == "samples":
        yield "--no-samples"
    elif name == "source":
        yield from ("--from", str(value))
    elif name == "options":
        yield from (word for each in value for word in ("--set", str(each)))
    else:
        yield from (f"--{name.replace('_', '-')}", str(value))


def _refuse_kind(data: Dataset, bundle: Bundle) -> None:
    if bundle.modality == "vector":
        raise DataError(
            "This model takes rows of numbers, which no person can label by looking at them.",
            hint="Suggestions are made for pictures and texts.",
        )
    if data.items.modality != bundle.modality:
        raise DataError(
            f"'{data.name}' holds items of the kind '{data.items.modality}', but the model takes '{bundle.modality}'.",
            hint="Name the right column: --input COLUMN",
        )


def _candidates(data: Dataset, bundle: Bundle, owner: Path | None) -> tuple[list[int], dict[str, int]]:
    """Rows of the pool that are new, each content once, and how many were left out for which reason."""
    seen = bundle.seen()
    judges = frozenset[str]()
    if owner is not None and (owner / answers_of.FILE).is_file():
        judges = frozenset(answers_of.read(owner).digests)
    counts = {"seen": 0, "judged": 0, "copies": 0}
    taken: set[str] = set()
    rows = []
    for row, names in enumerate(_names(data)):
        if names & seen:
            counts["seen"] += 1
        elif names & judges:
            counts["judged"] += 1
        elif names & taken:
            counts["copies"] += 1
        else:
            rows.append(row)
        taken |= names
    return rows, counts


def _names(data: Dataset) -> Iterator[set[str]]:
    """The digests that each item is known by: a text in a file of its own also has that of the text alone."""
    for raw, digest in zip(data.items.raws, data.items.digests, strict=True):
        yield {digest, sha256_bytes(raw.encode("utf-8"))} if isinstance(raw, str) else {digest}


def _ask(
    bundle: Bundle, data: Dataset, rows: list[int], wants_features: bool, seed: int, progress: Progress | None
) -> _Answers:
    """The model's answers on the candidates that can be read."""
    narrow = _Narrower(bundle.width, len(rows), seed)
    level = bundle.thresholds.unfamiliar
    names = [PROBABILITIES, *([FEATURES] if wants_features else []), *([] if level is None else [UNFAMILIARITY])]
    parts: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in names}
    errors: dict[int, str] = {}
    chunk = max(32, min(CHUNK, NUMBERS // bundle.width)) if wants_features else CHUNK
    for start in range(0, len(rows), chunk):
        some = rows[start : start + chunk]
        outputs, wrong = bundle.run([data.items.raws[row] for row in some], names)
        errors.update({some[place]: reason for place, reason in wrong.items()})
        for name in names:
            parts[name].append(narrow(outputs[name]) if name == FEATURES else outputs[name])
        if progress is not None:
            progress(start + len(some), len(rows))
    left = np.array([row not in errors for row in rows], dtype=np.bool_)
    found = {name: np.concatenate(arrays)[left] for name, arrays in parts.items() if arrays}
    shares = found.get(PROBABILITIES, np.zeros((0, 1), dtype=np.float32)).astype(np.float64)
    far = found.get(UNFAMILIARITY, np.zeros(len(shares), dtype=np.float32))
    strange = far > (math.inf if level is None else level)
    return _Answers(np.array(rows, dtype=np.int64)[left], shares, found.get(FEATURES), strange, errors)


class _Narrower:
    """Features in fewer, random directions where all of them would not fit into memory.

    Angles between items stay about the same: Johnson and Lindenstrauss 1984.
    """

    def __init__(self, width: int, n: int, seed: int) -> None:
        self._directions: Features | None = None
        if width * n > KEPT_NUMBERS:
            most = min(width, MOST_DIRECTIONS, max(FEWEST_DIRECTIONS, KEPT_NUMBERS // n))
            rng = Randomness(seed).numpy("suggest", "directions")
            self._directions = rng.standard_normal((width, most), dtype=np.float32)

    def __call__(self, features: Features) -> Features:
        """(B, D) -> (B, D')."""
        return features if self._directions is None else features @ self._directions


def _suggestions(data: Dataset, bundle: Bundle, found: _Answers, choice: Choice) -> Iterator[Suggestion]:
    classes = bundle.target.classes
    for place, row in enumerate(choice.rows.tolist()):
        shares = found.shares[row]
        item = int(found.rows[row])
        first = int(np.argmax(shares))
        yield Suggestion(
            data.items.ids[item],
            data.items.raws[item],
            classes[first],
            float(shares[first]),
            "; ".join([leaning(classes, shares), *_reasons(choice, place, bool(found.strange[row]))]),
        )


def _reasons(choice: Choice, place: int, strange: bool) -> Iterator[str]:
    """What besides the probabilities speaks for an item."""
    if choice.stands_for is not None and choice.stands_for[place] > 1:
        yield f"stands for {choice.stands_for[place]} uncertain ones"
    if choice.distances is not None and choice.distances[place] >= FAR:  # NaN, of the first one, is not
        yield "unlike those above"
    if strange:
        yield "unlike the training items"


def leaning(classes: Sequence[str], shares: Floats) -> str:
    """What the model makes of an item, in a few words for the one who labels it.

    >>> leaning(("cat", "dog"), np.array([0.52, 0.48]))
    'undecided between cat (52 %) and dog (48 %)'
    """
    first, *others = np.argsort(-shares, kind="stable")[:2].tolist()
    top = f"{classes[first]} ({shares[first]:.0%})"
    said = f"rather sure of {top}" if shares[first] >= SURE else f"leans to {top}"
    if others and shares[first] - shares[others[0]] < CLOSE:
        said = f"undecided between {top} and {classes[others[0]]} ({shares[others[0]]:.0%})"
    return said.replace("%)", " %)")
