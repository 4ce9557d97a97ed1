"""What the files of pictures hold that no model will see: a range that is hardly used, frames after the first."""

from __future__ import annotations

from collections.abc import Sequence

from keiki.data.facts import Fact

DARK = 0.1  # of the range of brightness; a picture whose brightest pixel lies below is nearly black


def dark_warnings(facts: Sequence[Fact]) -> tuple[dict[str, str], ...]:
    """A warning about pictures that are nearly black, as 10 or 12 bits stored in 16 are.

    >>> dark_warnings([Fact(mode="I;16", brightest=15)] * 2 + [Fact()])[0]["what"][:32]
    '2 of 3 pictures are nearly black'
    """
    dark = [fact for fact in facts if fact.error is None and fact.brightest < DARK * 255]
    if not dark:
        return ()
    deep = sum(fact.mode.startswith("I;16") for fact in dark)
    bits = f" ({deep} of them have 16 bits a pixel, of which scanners often fill 10 or 12)" if deep else ""
    return (
        {
            "what": f"{len(dark)} of {len(facts)} pictures {'is' if len(dark) == 1 else 'are'} nearly black: no pixel "
            f"uses more than a tenth of the range of its type{bits}.",
            "remedy": "If they should not be, scale all pictures by one factor to the full range, before the fit and "
            "before every prediction.",
        },
    )


def frame_notes(facts: Sequence[Fact]) -> tuple[str, ...]:
    """A note on files of several frames or pages."""
    n = sum(fact.several for fact in facts)
    if not n:
        return ()
    if n == 1:
        return ("1 picture is an animation or has several pages; only the first frame or page is used.",)
    return (f"{n} pictures are animations or have several pages; only the first frame or page of each is used.",)
