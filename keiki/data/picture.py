"""Pictures: any file of a known format as upright RGB on white, or a short reason why not.

Rules: the format is told by content, never by the file's name. EXIF orientation is applied. Transparency is laid on
white. More than 8 bits a channel are scaled by the range of the type, not by what one picture happens to hold. Of
animations the first frame counts. Colour profiles are ignored: stored values are taken as sRGB. Large JPEGs are decoded
at 1/2, 1/4 or 1/8 of their size while the shorter side keeps at least `detail` pixels (3 times faster at 2048 pixels,
mean difference after resizing to 224 below 0.5 of 255). HEIC needs the extra `heic`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from keiki.core.errors import UnreadableItem

DETAIL = 512  # pixels that the shorter side of a JPEG keeps at least: twice the usual input size
MAX_PIXELS = 89_000_000  # below the count from which Pillow itself warns; as RGB 0.25 GiB
MAX_BYTES = 512 * 2**20
_USUAL = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"}
SUFFIXES = frozenset({*_USUAL, ".heic", ".heif", ".hif", ".avif"})
FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC or AVIF"
STRANGER = f"not a picture ({FORMATS})"

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}
logging.getLogger("PIL").addHandler(logging.NullHandler())  # or its remarks on odd files would go to the terminal
_QUIET = threading.Lock()  # the filters of `warnings` belong to the whole process


@dataclass(frozen=True)
class Picture:
    """A decoded picture: upright RGB `image`, and what the file said of it (width and height as displayed).

    several: the file has more frames or pages than this one, the first.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    mode: str
    file_bytes: int
    several: bool = False


def decode(source: Path | bytes, detail: int = DETAIL) -> Image.Image:
    """The picture in a file (or in its bytes) as upright RGB; raises UnreadableItem with the reason."""
    return open_picture(source, detail).image


def open_picture(source: Path | bytes, detail: int = DETAIL) -> Picture:
    """`decode`, together with the facts of the file."""
    data = source if isinstance(source, bytes) else read_file(source)
    found = sniff(data)
    if found is None:
        raise UnreadableItem(_stranger(data))
    file = _opened(data, found)
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise UnreadableItem(f"too many pixels ({width:,} x {height:,}; the limit is {MAX_PIXELS // 10**6} million)")
    mode, several = file.mode, _has_several(file, data, found)
    turn = 1 if found == "TIFF" else _orientation(file)  # Pillow turns TIFFs by itself
    image = _upright(_rgb(_loaded(file, detail), found), turn)
    if turn >= 5:
        width, height = height, width
    return Picture(image, width, height, found, mode, len(data), several)


def read_file(path: Path) -> bytes:
    """The bytes of an ordinary file that is neither empty nor beyond all measure; raises UnreadableItem."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableItem("a folder, not a file" if stat.S_ISDIR(status.st_mode) else "not an ordinary file")
        if status.st_size > MAX_BYTES:
            raise UnreadableItem(f"file too large ({status.st_size / 2**20:.0f} MiB)")
        data = path.read_bytes()
    except (OSError, ValueError) as problem:
        raise UnreadableItem(_refusal(problem)) from problem
    if not data:
        raise UnreadableItem("empty file")
    return data


def sniff(data: bytes) -> str | None:
    """The format that the first bytes tell, or None for none of those that are read.

    >>> sniff(b"GIF89a..."), sniff(b"<html>")
    ('GIF', None)
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _sniff_heif(data)
    return next((name for start, name in _MAGIC if data.startswith(start)), None)


def _sniff_heif(data: bytes) -> str | None:
    """HEIF and AVIF share one container; its first box lists the brands that the file conforms to."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    if data[8:12] in _AVIF or (data[8:12] in _HEIF and brands & _AVIF):
        return "AVIF"
    return "HEIF" if data[8:12] in _HEIF else None


def _refusal(problem: OSError | ValueError) -> str:
    number = getattr(problem, "errno", None)
    reasons = {
        errno.ENOENT: "no such file",
        errno.ENOTDIR: "no such file",
        errno.EACCES: "no permission to read",
        errno.EPERM: "no permission to read",
        errno.ELOOP: "a link that leads to itself",
        errno.ENAMETOOLONG: "the path is too long",
    }
    return reasons.get(number or 0, f"cannot be read ({getattr(problem, 'strerror', None) or problem})")


def _stranger(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("latin-1").strip()
        return f"a film or another format that is not read ({brand}); save it as JPEG or PNG"
    return STRANGER


def _opened(data: bytes, name: str) -> ImageFile.ImageFile:
    """The file's header as Pillow sees it, through the one reader that fits.

    `Image.open` would warn of large pictures before their size can be looked at, and would try other readers.
    """
    reader = _READERS.get(name) or _late_reader(name)
    try:
        with quiet():
            return reader(io.BytesIO(data))
    except Exception as problem:  # what a reader raises on damaged bytes is not a closed list
        raise UnreadableItem(_damage(problem)) from problem


def _late_reader(name: str) -> type[ImageFile.ImageFile]:
    """Readers that not every installation has; imported at the first such picture."""
    try:
        if name == "HEIF":
            from pillow_heif import HeifImageFile

            return HeifImageFile
        from PIL.AvifImagePlugin import SUPPORTED, AvifImageFile
    except ImportError as problem:
        cure = "pip install 'keiki[heic]'" if name == "HEIF" else "pip install -U pillow"
        kind = "a HEIC" if name == "HEIF" else "an AVIF"
        raise UnreadableItem(f"{kind} picture; to read such: {cure}") from problem
    if not SUPPORTED:
        raise UnreadableItem("an AVIF picture, which this build of Pillow cannot read; save it as JPEG or PNG")
    return AvifImageFile


def _has_several(file: ImageFile.ImageFile, data: bytes, name: str) -> bool:
    """Whether the file has more than one frame or page; False where what follows the first is damaged."""
    try:
        asked = _opened(data, name) if name == "GIF" else file  # a GIF is wound forward to find out
        with quiet():
            return bool(getattr(asked, "is_animated", False))
    except Exception:  # the first frame is a picture all the same
        return False


def _loaded(file: ImageFile.ImageFile, detail: int) -> ImageFile.ImageFile:
    try:
        if file.format == "JPEG":
            file.draft(None, (min(detail, file.width), min(detail, file.height)))
        with quiet() if file.format == "TIFF" else contextlib.nullcontext():
            file.load()
    except Exception as problem:  # as above
        raise UnreadableItem(_damage(problem)) from problem
    return file


def _orientation(file: ImageFile.ImageFile) -> int:
    """EXIF orientation 1 to 8; 1 where the file has none or where its EXIF data cannot be read."""
    try:
        with quiet():
            turn = file.getexif().get(0x0112, 1)
    except Exception:  # a picture with damaged EXIF data is still a picture
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _upright(image: Image.Image, turn: int) -> Image.Image:
    turns = Image.Transpose
    moves = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }
    return image.transpose(moves[turn]) if turn in moves else image


def _rgb(image: ImageFile.ImageFile, name: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_sixteen(image, name)
    if image.mode == "F":
        return _from_float(image)
    if image.mode not in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"):
        raise UnreadableItem(f"pixels of type '{image.mode}' are not read; save it as 8-bit RGB or grey")
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    picture = image.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture).convert("RGB")


def _from_sixteen(image: ImageFile.ImageFile, name: str) -> Image.Image:
    """Grey of 9 to 16 bits: the range of the type becomes 0 to 255."""
    bits = int(image.tag_v2.get(258, (16,))[0]) if name == "TIFF" and hasattr(image, "tag_v2") else 16
    top = 2**bits - 1
    grey = (np.minimum(np.asarray(image).astype(np.uint32), top) * 255 + top // 2) // top
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _from_float(image: Image.Image) -> Image.Image:
    """Grey of floating point, where 0 is black and 1 is white."""
    grey = np.asarray(image, dtype=np.float32)
    if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > 1:
        raise UnreadableItem("floating-point pixels outside 0 to 1; save it as 8-bit RGB or grey")
    return Image.fromarray(np.rint(grey * 255).astype(np.uint8)).convert("RGB")


def _damage(problem: Exception) -> str:
    if isinstance(problem, Image.DecompressionBombError):
        return f"too many pixels (the limit is {MAX_PIXELS // 10**6} million)"
    text = str(problem).lower()
    if isinstance(problem, EOFError) or "truncat" in text or "unexpected end" in text:
        return "truncated picture"
    return "damaged picture"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what a reader remarks about odd files from the user, who cannot act on it."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
