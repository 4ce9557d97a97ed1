"""Whether a picture and its mirror image are of the same class, as far as the names of the classes tell.

The rule, for horizontal flips. They are off where
1. a name has a word that means one of two sides by itself: left, clockwise, mirrored, arrow, ...;
2. two names are the same but for a pair of opposites: 'thumbs up' and 'thumbs down', 'forward' and 'backward',
   'exit east' and 'exit west', 'links' and 'rechts';
3. names are characters or numbers: 'b', 'd', '7', '042', 'letter q', or two of 'one', 'two', 'three', ... Written
   characters do not survive a mirror, and a bare number does not say what it stands for (it may be a traffic sign).

A flip that is missing costs little, a flip that changes the class teaches what is wrong: in doubt it is off. One such
class is enough. What names do not tell, a check on features may (`keiki.methods.flipping`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_SIDED = frozenset(
    """left right leftward rightward leftwards rightwards lefthand righthand lefthanded righthanded leftmost rightmost
    clockwise anticlockwise counterclockwise ccw mirrored flipped arrow arrows""".split()  # noqa: SIM905
)
_OPPOSITES = """up down, upward downward, upwards downwards, forward backward, forwards backwards, forward reverse,
    ahead behind, east west, eastbound westbound, northeast northwest, southeast southwest, port starboard,
    incoming outgoing, arriving departing, entering leaving, normal reversed, links rechts, gauche droite,
    izquierda derecha, izquierdo derecho, sinistra destra, esquerda direita, 左 右"""
_PAIRS = [tuple(pair.split()) for pair in _OPPOSITES.split(",")]
_WRITTEN = frozenset({"letter", "letters", "digit", "digits", "character", "glyph", "numeral", "handwritten"})
_COUNTS = frozenset("zero one two three four five six seven eight nine ten".split())  # noqa: SIM905
_WORD = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")

Words = tuple[str, ...]


@dataclass(frozen=True)
class Flips:
    """Whether pictures may be mirrored, and why."""

    allowed: bool
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def by_names(classes: Sequence[str]) -> Flips:
    """What the names of the classes say.

    >>> by_names(["cat", "dog"]).allowed, by_names(["turnLeft", "straight"]).reason
    (True, "the class 'turnLeft' is told by its side")
    """
    reason = next(_reasons(classes), None)
    return Flips(reason is None, reason or "no class is told by its side, going by the names")


def _reasons(classes: Sequence[str]) -> Iterator[str]:
    words = {name: _words(name) for name in classes}
    yield from (f"the class '{name}' is told by its side" for name in classes if _SIDED & set(words[name]))
    by_words = {words[name]: name for name in classes}
    yield from (
        f"'{name}' and '{by_words[turned]}' are the same but for their direction"
        for name in classes
        for turned in _turned(words[name])
        if turned in by_words
    )
    yield from (
        f"the class '{name}' is a character or a number"
        for name in classes
        if _is_character(name) or set(words[name]) & _WRITTEN
    )
    counted = [name for name in classes if name.strip().lower() in _COUNTS]
    if len(counted) > 1:
        yield f"the classes '{counted[0]}' and '{counted[1]}' are numbers"


def _words(name: str) -> Words:
    return tuple(_WORD.findall(_HUMP.sub(" ", name).lower()))


def _turned(words: Words) -> Iterator[Words]:
    """The name with one word replaced by its opposite."""
    for at, word in enumerate(words):
        for one, other in _PAIRS:
            if word in (one, other):
                yield (*words[:at], other if word == one else one, *words[at + 1 :])


def _is_character(name: str) -> bool:
    text = name.strip()
    return text.isdecimal() or (len(text) == 1 and text.isalpha())
