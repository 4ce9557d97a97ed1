"""What one look at an item tells of it: kept with the features, so that no report and no second run looks again."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, cast

from PIL import Image

from keiki.core.errors import UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.exif import taken
from keiki.data.fingerprint import fingerprint
from keiki.data.passage import legible
from keiki.data.picture import Picture, open_picture

THUMBNAIL = 96  # pixels of the longer side
QUALITY = 80

Extrema = tuple[tuple[int, int], ...]  # the least and the highest value of each colour


@dataclass(frozen=True)
class Fact:
    """Facts of one item; what does not apply is 0, '' or None.

    error: why the item cannot be read, or None. Pictures: width and height as displayed, format and mode of the file,
    file_bytes, `pixels` = SHA-256 of the picture squashed to 96 x 96 RGB (equal for copies that differ only in
    metadata or lossless container), fingerprint = perceptual hash of 64 bits as 16 hexadecimal digits (near for
    pictures that look alike), taken = EXIF's moment of exposure ('2026-11-21T15:04:05', '' where there is none),
    thumbnail = JPEG, brightest = the highest value of any pixel and colour (0 to 255), several = there are more frames
    or pages than the first. Texts: characters and words.
    """

    error: str | None = None
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    file_bytes: int = 0
    pixels: str = ""
    thumbnail: bytes = b""
    taken: str = ""
    fingerprint: str = ""
    brightest: int = 255
    several: bool = False
    characters: int = 0
    words: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; the thumbnail in base 64."""
        return {**asdict(self), "thumbnail": base64.b64encode(self.thumbnail).decode("ascii")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "thumbnail": base64.b64decode(data["thumbnail"])})


def image_fact(raw: Path | bytes) -> tuple[Fact, Image.Image | None]:
    """The facts of a picture and the picture itself (RGB, decoded with the usual detail), None if it is unreadable."""
    try:
        picture = open_picture(raw)
    except UnreadableItem as problem:
        return Fact(error=problem.reason), None
    square = picture.image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    fact = Fact(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        mode=picture.mode,
        file_bytes=picture.file_bytes,
        pixels=sha256_bytes(square.tobytes()),
        thumbnail=thumbnail(picture.image),
        taken=taken(_exif(picture, raw)),
        fingerprint=fingerprint(square),
        brightest=max(high for _, high in cast(Extrema, picture.image.getextrema())),
        several=picture.several,
    )
    return fact, picture.image


def _exif(picture: Picture, raw: Path | bytes) -> bytes:
    """The EXIF data of a file; a TIFF is built of such tags itself."""
    if picture.format == "TIFF":
        return raw if isinstance(raw, bytes) else raw.read_bytes()
    found = picture.image.info.get("exif", b"")
    return found if isinstance(found, bytes) else b""


def text_fact(text: str) -> Fact:
    """The facts of a text.

    >>> text_fact("two words").words
    2
    """
    try:
        clean = legible(text)
    except UnreadableItem as problem:
        return Fact(error=problem.reason)
    return Fact(characters=len(clean), words=len(re.findall(r"\w+", clean)), file_bytes=len(clean.encode()))


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG of `image`, its longer side at most 96 pixels."""
    scale = min(1.0, THUMBNAIL / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
