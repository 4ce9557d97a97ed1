"""What a person hands to a model in Python, as raw items: a list, a Series, an array, a DataFrame, one item alone.

What is no item of the model's kind is refused by its position, before anything is computed: an answer for the letters
of a word, or for the names of columns, would look like any other.
"""

from __future__ import annotations

import io
import numbers
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from keiki.artifacts.origin import Columns
from keiki.core.errors import DataError, UnreadableItem
from keiki.data.names import listing
from keiki.data.picture import DETAIL, decode
from keiki.data.rows import cell_text
from keiki.data.task import Raw
from keiki.data.transforms.base import Array

Given = Any  # whatever it is, `as_raws` tells
_SHOWN = 3
_IN_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")
_WANTED = {
    "text": "texts (str)",
    "image": "pictures: paths, bytes of files, PIL images or uint8 arrays of height x width x 3",
    "vector": "rows of numbers",
}
_ONE = {"text": "text", "image": "picture", "vector": "row of numbers"}


class Preparing(Protocol):
    """What `prepare` and, if it looks at pixels, `from_picture` make of an item: a transform, or several views."""

    def prepare(self, raw: Raw) -> Array: ...


@dataclass(frozen=True)
class Pixels:
    """A picture that lies in memory: the bytes of a file, or decoded."""

    content: bytes | Image.Image

    def prepared(self, transform: Preparing) -> Array:
        """As `transform` would prepare the file; raises UnreadableItem."""
        start: Callable[[Image.Image], Array] | None = getattr(transform, "from_picture", None)
        if start is None:  # it looks at no pixels
            return transform.prepare(Path())
        data = self.content if isinstance(self.content, bytes) else _as_png(self.content)
        return start(decode(data, int(getattr(transform, "detail", DETAIL))))


Item = Raw | Pixels


def as_raws(given: Given, modality: str) -> Sequence[Item]:
    """The items in `given`, but for DataFrames; raises DataError for what is none of the model's kind."""
    take: Callable[[Any], Item | None] = {"text": _text, "image": _picture}.get(modality, _row)
    values = _listed(given, modality)
    items = [take(value) for value in values]
    if wrong := [at for at, item in enumerate(items) if item is None]:
        shown = "; ".join(f"item {at} is {_described(values[at])}" for at in wrong[:_SHOWN])
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(f"The model takes {_WANTED[modality]}, but {shown}{more}.", hint=_cure(values[wrong[0]]))
    return [item for item in items if item is not None]


def is_frame(given: Given) -> bool:
    """Whether this is a table with named columns: pandas', or one that can become pandas'."""
    named = hasattr(given, "columns") or hasattr(given, "column_names")
    return named and (hasattr(given, "iloc") or hasattr(given, "to_pandas"))


def frame_raws(given: Given, modality: str, fitted: Columns, width: int | None = None) -> Sequence[Item]:
    """The items in the rows of a DataFrame: what stands in the columns that the fit used, or in the only one.

    width: how many numbers a row has, where the model takes such. Raises DataError where it is not clear which columns
    are meant.
    """
    frame = given if hasattr(given, "iloc") else given.to_pandas()
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    names: list[str] = list(frame.columns)
    if len(set(names)) < len(names):
        raise DataError("Several columns of the DataFrame have the same name.", hint="Rename them, or leave some out.")
    inputs = [name for name in fitted.inputs_in(names) if name in names]
    if inputs and len(inputs) < len(fitted.inputs_in(names)):
        inputs = []
    if modality == "vector":
        return _numbers(frame, inputs or _features(names, fitted), width)
    if len(inputs) > 1 and modality == "text":
        cells = [_cells(frame[name]) for name in inputs]
        return ["\n".join(cell for cell in row if cell.strip()) for row in zip(*cells, strict=True)]
    if len(inputs) == 1 or len(names) == 1:
        return as_raws(frame[(inputs or names)[0]], modality)
    used = fitted.inputs_in(names)
    fit = f"The model was fitted on {_columns(used)}" if used else f"The DataFrame has {len(names)} columns"
    raise DataError(
        f"{fit}, and {'the DataFrame has' if used else 'it is not known which of them the fit used:'} "
        f"{listing(names, 12)}.",
        hint=f"Give the {_ONE[modality]}s alone: predict(frame['{names[0]}'])",
    )


def _columns(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {listing(names, 12)}"


def _features(names: Sequence[str], fitted: Columns) -> list[str]:
    """All columns but those that the fit used for something else."""
    return [name for name in names if name not in (fitted.label, fitted.group, fitted.time)]


def _numbers(frame: Any, names: Sequence[str], width: int | None) -> Sequence[Item]:
    strange = [name for name in names if frame[name].dtype.kind not in "biuf"]
    if strange or (width is not None and len(names) != width):
        wrong = f"{_columns(strange)} of the DataFrame holds something else" if strange else ""
        raise DataError(
            f"The model takes rows of {width} numbers, but "
            f"{wrong or f'the DataFrame has {len(names)} columns: {listing(names, 12)}'}.",
            hint="Give the columns of the fit, in their order: predict(frame[[...]])",
        )
    return list(frame[list(names)].to_numpy(dtype=np.float64))


def _cells(column: Any) -> list[str]:
    """Cells as a table on the disk would hold them; '' for what is missing."""
    return ["" if gone else cell_text(value) for value, gone in zip(column.tolist(), column.isna(), strict=True)]


def _listed(given: Given, modality: str) -> Sequence[Any]:
    """The values in `given`; one item alone is a list of one."""
    if isinstance(given, str | bytes | bytearray | os.PathLike | Image.Image):
        return [given]
    if hasattr(given, "tolist") and not hasattr(given, "__array_interface__"):  # a Series
        given = np.asarray(given) if modality == "vector" else given.tolist()
    if isinstance(given, np.ndarray):
        return _of_array(given, modality)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise DataError(f"The model takes a list of {_WANTED[modality]}, but got {_described(given)}.")
    values = list(given)
    alone = modality == "vector" and values and all(isinstance(each, numbers.Real) for each in values)
    return [values] if alone else values


def _of_array(given: npt.NDArray[Any], modality: str) -> Sequence[Any]:
    """Rows of an array, or the one item that it is; one column of texts or paths is a list of them."""
    named = given.dtype.kind in "OUS"
    if modality != "vector" and named and (given.ndim == 1 or (given.ndim == 2 and given.shape[1] == 1)):
        values: list[Any] = given.reshape(-1).tolist()
        return values
    one = {"vector": 1, "image": 3}.get(modality)
    return [given] if given.ndim == one else list(given) if given.ndim else [given.item()]


def _text(value: Any) -> Item | None:
    return value if isinstance(value, str) else None


def _row(value: Any) -> Item | None:
    found: Item = value  # what is wrong with a row is told of that row alone
    return found


def _picture(value: Any) -> Item | None:
    if isinstance(value, str | os.PathLike):
        return Path(value)
    if isinstance(value, bytes | bytearray):
        return Pixels(bytes(value))
    if isinstance(value, Image.Image):
        return Pixels(value)
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3:
        return Pixels(Image.fromarray(value)) if value.size else None
    return None


def _as_png(image: Image.Image) -> bytes:
    """The picture as a file without loss, upright, so that it is read by the rules for files."""
    out = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "F":
            raise UnreadableItem("pixels of type 'F' in memory are not read; give 8-bit RGB or grey")
        (upright if upright.mode in _IN_PNG else upright.convert("RGB")).save(out, "PNG", compress_level=1)
    except (OSError, ValueError, SyntaxError) as problem:  # what Pillow raises where a lazily opened file is damaged
        raise UnreadableItem("damaged picture") from problem
    return out.getvalue()


def _described(value: Any) -> str:
    """A value as one may name it in a sentence."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, {' x '.join(map(str, value.shape))}"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, numbers.Real):
        return repr(value)
    return f"of the type '{type(value).__name__}'"


def _cure(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return "Read the file: path.read_text()"
    if isinstance(value, bytes | bytearray):
        return "Decode it: data.decode('utf-8')"
    if value is None or (isinstance(value, float) and value != value):
        return "Leave such items out."
    return ""
