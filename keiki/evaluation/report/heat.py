"""What an answer hung on, made visible: light on a picture, shades under the words of a text.

Both are drawn from the numbers of report.json alone. A picture lies in shade but for where covering it with grey cost
the answer most; so what counted is lit in its own colours, and seen by every kind of colour vision.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from keiki.evaluation.report.insight import Heat, Word

SIDE = 64  # pixels of the shade's longer side; the browser smooths it over the picture
DARKEST = 0.66  # opacity of the shade where nothing counted
NIGHT = (24, 31, 35)
SHADES = 4


def shade(heat: Heat) -> str:
    """A data URI of a dark PNG with the proportions of the picture: clear where the answer hung on it."""
    drops = np.array(heat.drops, dtype=np.float64).reshape(heat.rows, heat.columns)
    counted = np.clip(drops / max(float(drops.max()), 1e-12), 0.0, 1.0)
    scale = SIDE / max(heat.width, heat.height, 1)
    shape = (max(1, round(heat.width * scale)), max(1, round(heat.height * scale)))
    opacity = Image.fromarray(np.rint(255 * DARKEST * (1 - counted)).astype(np.uint8))
    picture = Image.new("RGB", shape, NIGHT)
    picture.putalpha(opacity.resize(shape, Image.Resampling.BICUBIC))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass(frozen=True)
class Shaded:
    """A piece of a text, the blanks behind it, and its shade: a class of the style sheet, or empty."""

    text: str
    blanks: str
    shade: str


def shades(words: Sequence[Word]) -> list[Shaded]:
    """Pieces with 'h1' to 'h4' where the answer hung on them, and 'c1' to 'c4' where they spoke against it.

    >>> words = [Word(text="a ", drop=2.0), Word(text="b ", drop=-1.0), Word(text="c", drop=0.1)]
    >>> [each.shade for each in shades(words)]
    ['h4', 'c2', '']
    """
    top = max((abs(word.drop) for word in words), default=0.0) or 1.0
    found = []
    for word in words:
        text = word.text.rstrip()
        found.append(Shaded(text, word.text[len(text) :], _level(word.drop / top)))
    return found


def _level(share: float) -> str:
    level = round(SHADES * abs(share))
    return f"{'h' if share > 0 else 'c'}{level}" if level else ""
