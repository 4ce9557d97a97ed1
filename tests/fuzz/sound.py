"""Small sound files of every format, as bytes: what mutations begin from and malformed inputs are made of."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ash", "oak")
PER_CLASS = 4
WORDS = ("leaf", "bark", "root", "crown", "seed", "branch", "ring", "bud", "moss", "stem")


def picture(rng: np.random.Generator, form: str = "PNG", side: int = 24) -> bytes:
    """A picture of soft noise in one of Pillow's formats."""
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((side, side + int(rng.integers(0, 9))), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, size=int(rng.integers(3, 9))).tolist())


def rows(rng: np.random.Generator) -> list[dict[str, str]]:
    """A table of texts with the columns text and label."""
    return [{"text": sentence(rng), "label": CLASSES[i % 2]} for i in range(2 * PER_CLASS)]


def csv(rng: np.random.Generator) -> bytes:
    lines = ["text,label", *(f'"{row["text"]}",{row["label"]}' for row in rows(rng))]
    return ("\n".join(lines) + "\n").encode()


def tsv(rng: np.random.Generator) -> bytes:
    return csv(rng).replace(b'"', b"").replace(b",", b"\t")


def jsonl(rng: np.random.Generator) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows(rng)).encode()


def json_list(rng: np.random.Generator) -> bytes:
    return json.dumps(rows(rng)).encode()


def xlsx(rng: np.random.Generator) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["text", "label"])
    for row in rows(rng):
        sheet.append([row["text"], row["label"]])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet(rng: np.random.Generator) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(rng)), out)
    return out.getvalue()


def npz(rng: np.random.Generator) -> bytes:
    out = io.BytesIO()
    np.savez(out, X=rng.normal(size=(8, 5)).astype(np.float32), y=np.array([CLASSES[i % 2] for i in range(8)]))
    return out.getvalue()


def zipped(rng: np.random.Generator) -> bytes:
    """A zip of a folder with a folder a class."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in photos(rng).items():
            archive.writestr(name, data)
    return out.getvalue()


def photos(rng: np.random.Generator, form: str = "PNG") -> dict[str, bytes]:
    """Names and bytes of a folder with a folder a class."""
    suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(form, form.lower())
    return {f"{name}/{i}.{suffix}": picture(rng, form) for name in CLASSES for i in range(PER_CLASS)}


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    """The files, written below `folder`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


TABLES: dict[str, Callable[[np.random.Generator], bytes]] = {
    "csv": csv,
    "tsv": tsv,
    "jsonl": jsonl,
    "json": json_list,
    "xlsx": xlsx,
    "parquet": parquet,
    "npz": npz,
    "zip": zipped,
}
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
