"""What fine-tuning moved, in words, and the bars of how far: pure functions from the part `Moved`."""

from __future__ import annotations

from dataclasses import dataclass

from keiki.evaluation.report import advice, words
from keiki.evaluation.report.moved import Moved, Piece, Plain, Probe, Still

SHOWN_DIGITS = 12  # of a digest; report.json has it whole
SLOWER = 1.05  # from here on the fits that judged it are worth a word
NOTHING = 0.0005  # nats, which three decimals would show as 0
STOPPED = {
    "epochs": "all its epochs were used",
    "patience": "then the validation loss had stopped falling",
    "budget": "then the time was up",
    "diverged": "then the loss was no number any more, and the best state before was kept",
}


@dataclass(frozen=True)
class Bar:
    """A stage with the length of its bar as a share of the longest one, and how far it moved, in words."""

    piece: Piece
    length: float
    says: str


def bars(moved: Moved) -> tuple[Bar, ...]:
    """One bar a stage, from input to output."""
    longest = max((piece.relative or 0.0 for piece in moved.pieces), default=0.0) or 1.0
    return tuple(Bar(piece, (piece.relative or 0.0) / longest, _says(piece)) for piece in moved.pieces)


def sentence(moved: Moved) -> str:
    """Which parts moved, how far the farthest is from where it started, and how long that took."""
    share = words.percent(moved.share, most=2)
    share = f"along changes that hold {share} of all numbers" if moved.merged else f"{share} of all weights"
    if all(piece.still for piece in moved.pieces):
        first = f"Only the new head learned, {share}: all {len(moved.pieces)} parts lay still"
    else:
        first = f"{_which(moved)}, {share}"
    return f"{first}; {_farthest(moved)}. {_took(moved)}"


def against(probe: Probe) -> str:
    """What was paid and what was got, beside the linear probe."""
    start = f"The linear probe takes {words.seconds(probe.seconds)} on features that are there."
    if probe.gain is None:
        return f"{start} Too few training items were kept apart from both to compare them."
    items = f"{words.of(probe.n, 'training items')} that neither had learned from"
    if max(-probe.gain.low, probe.gain.high) < NOTHING:
        return f"{start} Against it fine-tuning changed nothing on {items}."
    change = f"{words.change(probe.gain, 'log_loss')} ({words.change_limits(probe.gain, 'log_loss')})"
    told = f"{start} Against it fine-tuning brought {change} on {items}{_judged(probe)}."
    return f"{told} It was stopped by these items, which flatters it a little." if probe.flattered else told


def proof(still: Still) -> str:
    """That what was frozen is what it was; or that it is not."""
    what = f"Digest of the {words.of(still.tensors, 'frozen tensors')} before and after"
    if still.before == still.after:
        return f"{what}: equal ({still.before[:SHOWN_DIGITS]}…)."
    return f"{what}: not equal ({still.before[:SHOWN_DIGITS]}… and {still.after[:SHOWN_DIGITS]}…)."


def ended(moved: Moved) -> str:
    """How long it trained and why it stopped."""
    why = STOPPED.get(moved.stopped, moved.stopped)
    length = _length(moved.epochs, moved.steps)
    if moved.again_epochs:
        length = f"{length}, then once more on all items for {_length(moved.again_epochs, moved.again_steps)}"
    return f"{length}; {why}" if why else length


def pace(facts: dict[str, Plain]) -> str:
    """How steps were computed.

    >>> pace({"precision": "bf16", "threads": 2, "channels_last": True, "device": "cpu", "pieces": 1})
    'bf16, 2 threads, cpu, channels last'
    """
    threads, pieces = facts.get("threads"), facts.get("pieces")
    parts = [
        facts.get("precision"),
        words.of(threads, "threads") if isinstance(threads, int) else None,
        facts.get("device"),
        "channels last" if facts.get("channels_last") else None,
        f"each batch in {pieces} pieces" if isinstance(pieces, int) and pieces > 1 else None,
    ]
    return ", ".join(str(part) for part in parts if part)


def kept(facts: dict[str, Plain]) -> str:
    """What the frozen parts have answered once and for all, or why that was computed every time.

    >>> kept({"stages": 5, "variants": 4, "bytes": 46_400_000, "why_not": ""})
    'the answers of the first 5 parts for each item and 4 variants of it, at most 46.4 MB'
    """
    if facts.get("why_not"):
        return f"nothing: {facts['why_not']}"
    stages, variants, size = (facts.get(name) for name in ("stages", "variants", "bytes"))
    first = "the answers of the first part" if stages == 1 else f"the answers of the first {stages} parts"
    more = f" and {words.of(variants, 'variants')} of it" if isinstance(variants, int) and variants else ""
    return f"{first} for each item{more}" + (f", at most {words.size(size)}" if isinstance(size, int) else "")


def value(one: Plain) -> str:
    """The value of an option as people read it.

    >>> value(0.0001), value(True), value(None), value("cosine")
    ('10⁻⁴', 'yes', '–', 'cosine')
    """
    if one is None or isinstance(one, bool):
        return {None: words.DASH, True: "yes", False: "no"}[one]
    return words.number(one) if isinstance(one, float) else str(one)


def _length(epochs: int, steps: int) -> str:
    return f"{words.of(epochs, 'epochs')} ({words.of(steps, 'steps')})"


def _says(piece: Piece) -> str:
    if piece.relative is None:
        return words.DASH
    if (piece.still or piece.extended) and not piece.relative:
        return "still"
    return words.percent(piece.relative, 1, most=3)


def _which(moved: Moved) -> str:
    free = [not piece.still for piece in moved.pieces]
    n, of = moved.n_moved, f"{len(free)} parts"
    if any(free) and all(piece.still or piece.extended for piece in moved.pieces):
        return f"The pretrained weights lay still; {n} of {of} were given small networks of their own"
    if all(free):
        return f"All {of} were free to move"
    if n == 1:
        return f"Of {of} only {advice.said(moved.pieces[free.index(True)].name)} was free to move"
    if all(free[-n:]):
        return f"The last {n} of {of} were free to move"
    return f"{n} of {of} were free to move"


def _farthest(moved: Moved) -> str:
    farthest = max(moved.pieces, key=lambda piece: piece.relative or 0.0, default=None)
    if farthest is None or not farthest.relative:
        own = any(not (piece.still or piece.extended) for piece in moved.pieces)
        return (
            "none ended elsewhere than it started, for no later state was better"
            if own
            else "nothing of the pretrained network changed"
        )
    away = words.percent(farthest.relative, 1, most=3)
    return f"the farthest is {advice.said(farthest.name)}, {away} away from where it started"


def _took(moved: Moved) -> str:
    time = f"It took {words.seconds(moved.seconds)}"
    if moved.descending is not None:
        time = f"{time}, of which {words.seconds(moved.descending)} were steps"
    if moved.in_all is not None and moved.in_all > SLOWER * moved.seconds:
        time = f"{time}; with the fits that judged it, {words.seconds(moved.in_all)}"
    return f"{time}."


def _judged(probe: Probe) -> str:
    gain = probe.gain
    if gain is None or gain.low > 0:
        return ""
    return ", so the probe would have done better" if gain.high < 0 else ", which may be chance"
