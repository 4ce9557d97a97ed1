"""Why a model gave an answer: cover a place of the picture, or leave out a word, and see how the score falls.

Pictures: a grey patch of a quarter of each side moves over the picture in steps of an eighth; a cell's value is the
mean drop of the answer's logit over the patches that cover it. Source: Zeiler and Fergus 2014, "Visualizing and
Understanding Convolutional Networks", section 4.2. Texts: each word is left out in turn. Source: Li, Monroe and
Jurafsky 2016, "Understanding Neural Networks through Representation Erasure", arXiv:1612.08220, eq. 1 (with the logit
in place of the log probability, so that the other classes do not matter). Both ask the model only for answers, so they
work for every model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keiki.backbones.passes import Engines, Network, PictureTransform
from keiki.core.errors import TrainingError, UnreadableItem
from keiki.core.random import Randomness
from keiki.data.batches import cuts
from keiki.data.picture import DETAIL, decode
from keiki.data.task import Batch, Raw
from keiki.data.transforms.base import Array, Transform
from keiki.evaluation.report.insight import Heat, Why, Word
from keiki.methods.base import FloatArray, Model
from keiki.selection.workshop import Workshop

CELLS = 8  # a side; a patch is two cells wide and high: 49 places
GREY = (127, 127, 127)
MOST_PIECES = 48  # of a text; longer ones are left out by groups of words
SHOWN = 2000  # characters of a text that are explained

Answer = Callable[[Sequence[Array]], FloatArray]  # prepared items -> logits (B, C)


def explain(shop: Workshop, model: Model, raw: Raw, said: int, engines: Engines) -> Why | None:
    """What the answer `said` (a class) of `model` for a raw item hung on; None where that cannot be asked."""
    try:
        if isinstance(raw, str):
            return _explain_text(shop, model, raw, said, engines)
        return _explain_picture(shop, model, raw, said, engines) if isinstance(raw, Path) else None
    except UnreadableItem:
        return None  # it changed since it was judged


def occluded(image: Image.Image, cells: int = CELLS) -> Iterator[Image.Image]:
    """Copies of the picture with a grey patch at each place, row by row: (cells - 1) x (cells - 1) of them."""
    x, y = (np.rint(np.linspace(0, side, cells + 1)).astype(int).tolist() for side in image.size)
    for top in range(cells - 1):
        for left in range(cells - 1):
            covered = image.copy()
            covered.paste(GREY, (x[left], y[top], max(x[left + 2], x[left] + 1), max(y[top + 2], y[top] + 1)))
            yield covered


def spread(drops: NDArray[np.float64], cells: int = CELLS) -> NDArray[np.float64]:
    """Values of the cells (cells, cells): the mean drop (cells - 1, cells - 1) of the patches that cover each.

    >>> spread(np.array([[1.0, 3.0]]).repeat(2, axis=0), cells=3).tolist()
    [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    """
    total, count = np.zeros((cells, cells)), np.zeros((cells, cells))
    last = cells - 1
    for down in (0, 1):
        for right in (0, 1):
            total[down : last + down, right : last + right] += drops
            count[down : last + down, right : last + right] += 1
    return np.asarray(total / count)


@dataclass(frozen=True)
class Piece:
    """A part of a text that is left out as a whole: from `start` up to `end`; blanks go on up to `until`."""

    start: int
    end: int
    until: int


def pieces(text: str, most: int = MOST_PIECES) -> list[Piece]:
    """At most `most` pieces that cover the text: words, or groups of as many words as it takes.

    Scripts that put no blanks between words are taken sign by sign.

    >>> [(each.start, each.end, each.until) for each in pieces("to be")]
    [(0, 2, 3), (3, 5, 5)]
    >>> len(pieces("何ですか"))
    4
    """
    found = [match.span() for match in WORD.finditer(text)]
    if not found:
        return []
    step = -(-len(found) // most)
    starts = [start for start, _ in found][::step]
    ends = [found[min(at + step, len(found)) - 1][1] for at in range(0, len(found), step)]
    return [Piece(*each) for each in zip(starts, ends, [*starts[1:], len(text)], strict=True)]


UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # Thai to Han
WORD = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")


def _explain_picture(shop: Workshop, model: Model, raw: Path, said: int, engines: Engines) -> Why | None:
    transform = _transform(model)
    if not isinstance(transform, PictureTransform):
        return None
    image = decode(raw, int(getattr(transform, "detail", DETAIL)))
    image = image.reduce(max(1, min(image.size) // DETAIL))  # a camera's pixels would only be thrown away 50 times
    variants = [transform.from_picture(each) for each in (image, *occluded(image))]
    logits = _answer(shop, model, engines)(variants)
    drops = spread((logits[0, said] - logits[1:, said]).reshape(CELLS - 1, CELLS - 1))
    flips = int((logits[1:].argmax(axis=1) != said).sum())
    width, height = image.size
    values = tuple(round(float(drop), 4) for drop in drops.ravel())
    return Why(
        heat=Heat(rows=CELLS, columns=CELLS, drops=values, n=len(logits) - 1, flips=flips, width=width, height=height)
    )


def _explain_text(shop: Workshop, model: Model, text: str, said: int, engines: Engines) -> Why | None:
    head = text[:SHOWN]
    parts = pieces(head)
    if len(parts) < 2:
        return None  # nothing is left of it
    variants = [text, *(text[: part.start] + text[part.end :] for part in parts)]
    logits = _answer_texts(shop, model, variants, engines)
    drops, flips = logits[0, said] - logits[1:, said], logits[1:].argmax(axis=1) != said
    starts = [0, *(part.start for part in parts[1:])]
    words = zip(starts, (part.until for part in parts), drops.tolist(), flips.tolist(), strict=True)
    return Why(
        words=tuple(Word(text=head[start:until], drop=round(drop, 4), flips=flip) for start, until, drop, flip in words)
    )


def _answer_texts(shop: Workshop, model: Model, texts: Sequence[str], engines: Engines) -> FloatArray:
    if model.backbone.direct and model.head is not None:
        return model.head.logits(model.backbone.matrix(texts))
    transform = _transform(model)
    return _answer(shop, model, engines)([transform.prepare(text) for text in texts])


def _answer(shop: Workshop, model: Model, engines: Engines) -> Answer:
    """Logits of prepared items, by the frozen engine and the head, or by the tuned network."""
    transform, head = _transform(model), model.head
    if model.network is not None:
        return lambda prepared: _tuned_logits(model, transform, prepared, shop.plan.batch_size)
    if head is None:
        raise TrainingError(f"The model on '{model.backbone.card.name}' has no head to ask.")
    frozen = Network("why", model.backbone, transform, engines)
    frozen.open()

    def answer(prepared: Sequence[Array]) -> FloatArray:
        costs = [transform.cost(each) for each in prepared]
        parts = cuts(costs, shop.plan.batch_size, shop.plan.batch_cost)
        features = np.concatenate([frozen.run(prepared[part]) for part in parts])
        return head.logits(features)

    return answer


def _transform(model: Model) -> Transform:
    return model.backbone.transforms()[model.transform_name]


@dataclass(frozen=True)
class _Prepared:
    """Prepared items as the stream that a network answers."""

    transform: Transform
    items: Sequence[Array]
    batch_size: int

    def batches(self, epoch: int, random: Randomness) -> Iterator[Batch]:
        for start in range(0, len(self.items), self.batch_size):
            part = self.items[start : start + self.batch_size]
            positions = np.arange(start, start + len(part))
            yield Batch(dict(self.transform.collate(part)), np.zeros(len(part), dtype=np.int64), positions)


def _tuned_logits(model: Model, transform: Transform, prepared: Sequence[Array], batch_size: int) -> FloatArray:
    from keiki.nn.network import feed_logits

    return feed_logits(model.network, _Prepared(transform, prepared, batch_size), len(prepared))
