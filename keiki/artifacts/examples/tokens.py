"""Predict texts with this folder alone: pip install onnxruntime numpy tokenizers

python example.py "where is my parcel" "the screen is broken"
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: the official builds report to their maker
import onnxruntime


class Model:
    """The network in `folder` and its tokenizer."""

    def __init__(self, folder: Path) -> None:
        self.facts = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding(**_padding(self.tokenizer))
        self.tokenizer.enable_truncation(self.facts["transform"]["max_length"])
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def run(self, texts: list[str]) -> dict[str, np.ndarray]:
        """The outputs for the texts: calibrated probabilities (N, C) and others, by name."""
        encodings = self.tokenizer.encode_batch(texts)
        arrays = {
            "input_ids": np.array([each.ids for each in encodings], dtype=np.int64),
            "attention_mask": np.array([each.attention_mask for each in encodings], dtype=np.int64),
            "token_type_ids": np.array([each.type_ids for each in encodings], dtype=np.int64),
        }
        inputs = {each.name: arrays[each.name] for each in self.session.get_inputs()}
        names = [each.name for each in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, inputs), strict=True))


def _padding(tokenizer: Tokenizer) -> dict[str, object]:
    """To the longest of the batch; the tokenizer's own padding may be to a fixed length."""
    own = tokenizer.padding or {}
    return {"pad_id": own.get("pad_id", 0), "pad_token": own.get("pad_token", "[PAD]")}


if __name__ == "__main__":
    model = Model(Path(__file__).parent)
    answers = model.run(sys.argv[1:])
    farthest = model.facts["thresholds"]["unfamiliar"]
    for row, text in enumerate(sys.argv[1:]):
        shares = answers["probabilities"][row]
        best = int(shares.argmax())
        strange = farthest is not None and answers["unfamiliarity"][row] > farthest
        print(f"{text}: {model.facts['classes'][best]} ({shares[best]:.1%}){', unfamiliar' if strange else ''}")
