"""Predict pictures with this folder alone: pip install onnxruntime numpy pillow

python example.py photo.jpg another.png
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: the official builds report to their maker
import onnxruntime

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class Model:
    """The network in `folder` and how its pictures are prepared."""

    def __init__(self, folder: Path) -> None:
        self.facts = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def run(self, paths: Sequence[Path | str]) -> dict[str, np.ndarray]:
        """The outputs for the pictures in these files: calibrated probabilities (N, C) and others, by name."""
        batch = np.stack([self.prepare(path) for path in paths])
        names = [each.name for each in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, {"image": batch}), strict=True))

    def prepare(self, path: Path | str) -> np.ndarray:
        """A picture as (3, size, size): upright, on white, squashed or cropped or padded, normalised."""
        rules = self.facts["transform"]
        size, filter = rules["size"], FILTERS[rules["interpolation"]]
        image = upright(path, max(512, 2 * size))
        if rules["mode"] == "pad":
            image = padded(image, size, rules["mean"], filter)
        else:
            image = image.resize((size, size), filter, box=middle(image) if rules["mode"] == "crop" else None)
        mean, std = np.array(rules["mean"]), np.array(rules["std"])
        scale, shift = (1 / (255 * std)).astype(np.float32), (mean / std).astype(np.float32)
        pixels: np.ndarray = np.asarray(image) * scale - shift  # (size, size, 3)
        return pixels.transpose(2, 0, 1)


def upright(path: Path | str, detail: int) -> Image.Image:
    """The picture as RGB, turned as its EXIF data say; a large JPEG is decoded at a fraction of its size."""
    file = Image.open(path)
    if file.format == "JPEG":
        file.draft(None, (min(detail, file.width), min(detail, file.height)))
    image: Image.Image = ImageOps.exif_transpose(file)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert("RGB")


def middle(image: Image.Image) -> tuple[int, int, int, int]:
    """The largest square in the middle."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return left, top, left + side, top + side


def padded(image: Image.Image, size: int, mean: list[float], filter: Image.Resampling) -> Image.Image:
    """The whole picture in a square of the mean colour."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    red, green, blue = (round(255 * value) for value in mean)
    square = Image.new("RGB", (size, size), (red, green, blue))
    square.paste(image.resize((width, height), filter), ((size - width) // 2, (size - height) // 2))
    return square


if __name__ == "__main__":
    model = Model(Path(__file__).parent)
    answers = model.run(sys.argv[1:])
    farthest = model.facts["thresholds"]["unfamiliar"]
    for row, name in enumerate(sys.argv[1:]):
        shares = answers["probabilities"][row]
        best = int(shares.argmax())
        strange = farthest is not None and answers["unfamiliarity"][row] > farthest
        print(f"{name}: {model.facts['classes'][best]} ({shares[best]:.1%}){', unfamiliar' if strange else ''}")
