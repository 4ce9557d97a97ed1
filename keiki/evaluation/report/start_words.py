"""What is said of a model of the user's own as a start: pure functions from report parts to sentences."""

from __future__ import annotations

from collections.abc import Iterator

from keiki.evaluation.report import advice, words
from keiki.evaluation.report.start import AgainstPublic, AsItWas, Old, Start

SHOWN = 3  # classes that are named


def against_public(found: AgainstPublic) -> str:
    """What the user's model is worth as a start.

    >>> from keiki.evaluation.report.part import Interval
    >>> lead = Interval(value=0.03, low=0.01, high=0.052)
    >>> against_public(AgainstPublic(verdict="helped", metric="accuracy", method="linear probe", own=lead, public=lead,
    ...     difference=lead, margin=0.01))
    'your model as a start: +3 points (1–5) over the public one'
    """
    change = f"{words.change(found.difference, found.metric)} ({words.change_limits(found.difference, found.metric)})"
    end = {
        "helped": "over the public one",
        "hurt": "against the public one, which is the better start here",
        "equivalent": "against the public one, which counts as equal",
        "undecided": "against the public one, which may be chance",
    }[found.verdict]
    return f"your model as a start: {change} {end}"


def as_it_was(found: AsItWas) -> str:
    """What the user's model could do before this fit."""
    score, limits = words.score(found.score, found.metric), words.limits(found.score, found.metric)
    what = "right" if words.metric_key(found.metric) == "accuracy" else words.metric_title(found.metric)
    change = words.change(found.difference, found.metric)
    gain = f"{change} ({words.change_limits(found.difference, found.metric)})"
    return f"without this fit your model has {score} {what} ({limits}, {words.of(found.n, 'items')}): the fit is {gain}"


def start(found: Start) -> str:
    """One line on where the fit started from, and what that was worth."""
    if found.against_public is not None:
        return against_public(found.against_public)
    if not found.own_body:
        return f"your model as a start: its body is the public '{found.base}', so only its head is a start of its own"
    return f"your model as a start: not set beside the public '{found.base}'"


def classes(found: Start) -> str:
    """Which of the classes it knew."""
    if found.known is None:
        return "What classes it knew is not known."
    if found.known == found.n_classes:
        return f"It knew all {words.of(found.n_classes, 'classes')}."
    return f"It knew {words.count(found.known)} of {words.of(found.n_classes, 'classes')}."


def old(found: Old) -> str:
    """What is left of the old task.

    >>> from keiki.evaluation.report.part import Interval
    >>> old(Old(data="flowers", n=200, verdict="forgot", before=Interval(value=0.92, low=0.88, high=0.95),
    ...     after=Interval(value=0.74, low=0.67, high=0.8), difference=Interval(value=-0.18, low=-0.24, high=-0.12)))
    "on the old data 'flowers' 92 % right before and 74 % now: −18 points (−24 to −12), 200 items"
    """
    name = f"on the old data {advice.said(found.data)}"
    if found.before is None:
        return f"{name} nothing could be measured"
    before = f"{name} {words.score(found.before, 'accuracy')} right before"
    if found.after is None or found.difference is None:
        return f"{before} ({words.of(found.n, 'items')}); the new model can name none of its classes"
    change = words.difference(found.difference, "accuracy")
    limits = words.difference_limits(found.difference, "accuracy")
    after = words.score(found.after, "accuracy")
    return f"{before} and {after} now: {change} ({limits}), {words.of(found.n, 'items')}"


def left_out(found: Old) -> tuple[str, ...]:
    """What of the old data the figures are not about, or lean on."""
    return tuple(_left_out(found))


def _left_out(found: Old) -> Iterator[str]:
    if found.unnamed:
        names = ", ".join(map(advice.said, found.unnamed_classes[:SHOWN]))
        more = f" and {len(found.unnamed_classes) - SHOWN} more" if len(found.unnamed_classes) > SHOWN else ""
        yield f"{_of_classes(found.unnamed)} that the new model cannot name ({names}{more})."
    if found.foreign:
        yield f"{_of_classes(found.foreign)} that the old model could not name."
    if found.unreadable:
        yield f"{words.of(found.unreadable, 'items')} cannot be read."
    seen = [f"{words.count(n)} by {who}" for n, who in _seen(found) if n]
    if seen:
        state = "and were left out" if found.only_unseen else "and are among these all the same, for want of others"
        yield f"Items that were learned from ({', '.join(seen)}) prove little {state}."


def _of_classes(n: int) -> str:
    return f"{words.of(n, 'items')} {words.verb(n, 'is of a class', 'are of classes')}"


def _seen(found: Old) -> tuple[tuple[int, str], ...]:
    return (found.seen_by_source, "the old model"), (found.seen_by_fit, "the new one")


def warnings(found: Start, metric: str, noun: str) -> Iterator[tuple[str, str]]:
    """What to watch and what to do about it: judged items that the start had learned from, and what was forgotten."""
    if found.judged_seen:
        without = found.without_them
        rest = "too few are left to say how it is without them" if without is None else (
            f"without them {words.metric_title(metric)} is {words.score(without, metric)}"
        )  # fmt: skip
        yield (
            f"{words.of(found.judged_seen, noun)} of {words.count(found.judged)} that judge had been learned from by "
            f"the model that the fit starts from; {rest}.",
            "Trust the figure without them, or give --test DATA that neither has seen.",
        )
    if found.old is not None and found.old.verdict in ("forgot", "not comparable"):
        yield (
            f"{old(found.old)[:1].upper()}{old(found.old)[1:]}.",
            "For the old task keep the old model, or fit again with the old items among the data (--add).",
        )
