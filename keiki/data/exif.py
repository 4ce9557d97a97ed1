"""When a picture was taken: the one thing that is read of EXIF data, straight from their bytes.

Pillow reads them too, but speaks of the damage that real cameras leave through warnings, whose filters belong to the
whole process, while facts are gathered on several threads. What cannot be read counts as not there.
Source: CIPA DC-008, "Exchangeable image file format for digital still cameras", sections 4.5 and 4.6.
"""

from __future__ import annotations

import contextlib
import re
import struct
from datetime import datetime

_ORDERS = {b"II": "<", b"MM": ">"}
_DATE_TIME, _INNER, _ORIGINAL = 0x0132, 0x8769, 0x9003  # last change; place of the inner tags; exposure
_MOMENT = re.compile(rb"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)")


def taken(exif: bytes) -> str:
    """The moment of exposure ('2026-11-21T15:04:05', the camera's own clock), else that of the last change, else ''.

    exif: a TIFF structure, with or without 'Exif\\0\\0' before it.

    >>> tags = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x0132, 2, 20, 26) + bytes(4) + b"2026:11:21 15:04:05"
    >>> taken(b"Exif" + bytes(2) + tags)
    '2026-11-21T15:04:05'
    """
    data = exif.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(data[:2], "")
    if not order or len(data) < 8:
        return ""
    outer = _tags(data, order, struct.unpack_from(f"{order}I", data, 4)[0])
    inner = _tags(data, order, outer[_INNER]) if _INNER in outer else {}
    places = [tags[tag] for tags, tag in ((inner, _ORIGINAL), (outer, _DATE_TIME)) if tag in tags]
    return next((moment for place in places if (moment := _moment(data[place : place + 19]))), "")


def _tags(data: bytes, order: str, place: int) -> dict[int, int]:
    """Tag -> value, or the place of a value that is longer than 4 bytes."""
    if place + 2 > len(data):
        return {}
    (wanted,) = struct.unpack_from(f"{order}H", data, place)
    count = min(wanted, (len(data) - place - 2) // 12)
    entries = struct.iter_unpack(f"{order}HHII", data[place + 2 : place + 2 + 12 * count])
    return {tag: value for tag, _, _, value in entries}


def _moment(text: bytes) -> str:
    found = _MOMENT.match(text)
    if found:
        with contextlib.suppress(ValueError):  # '0000:00:00 00:00:00': the camera had no clock
            return datetime(*(int(part) for part in found.groups())).isoformat()  # type: ignore[arg-type]
    return ""
