"""Predict rows of numbers with this folder alone: pip install onnxruntime numpy

python example.py 5.1,3.5,1.4,0.2 6.3,2.9,5.6,1.8
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: the official builds report to their maker
import onnxruntime


class Model:
    """The network in `folder` and the mean and scale of its features."""

    def __init__(self, folder: Path) -> None:
        self.facts = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def run(self, rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs for rows (N, D): calibrated probabilities (N, C) and others, by name."""
        rules = self.facts["transform"]
        wide = np.asarray(rows, dtype=np.float64)  # the digits that tell years or areas apart are lost in float32
        features = ((wide - np.array(rules["mean"])) / np.array(rules["scale"])).astype(np.float32)
        names = [each.name for each in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, {"features": features}), strict=True))


if __name__ == "__main__":
    model = Model(Path(__file__).parent)
    answers = model.run([np.array(each.split(","), dtype=np.float64) for each in sys.argv[1:]])
    farthest = model.facts["thresholds"]["unfamiliar"]
    for row, name in enumerate(sys.argv[1:]):
        shares = answers["probabilities"][row]
        best = int(shares.argmax())
        strange = farthest is not None and answers["unfamiliarity"][row] > farthest
        print(f"{name}: {model.facts['classes'][best]} ({shares[best]:.1%}){', unfamiliar' if strange else ''}")
