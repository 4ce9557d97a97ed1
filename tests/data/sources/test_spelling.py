"""A class has one name, whatever format it was written in: yes and no, whole numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keiki.data.load import place_of
from keiki.data.sources.base import Request, read

FLAGS = [True, False, True, True, False, False]
FRAME = pd.DataFrame({"text": [f"the text number {n}" for n in range(6)], "label": FLAGS})
WRITERS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: FRAME.to_csv(path, index=False),
    "t.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "t.xlsx": lambda path: FRAME.to_excel(path, index=False),
    "t.parquet": lambda path: FRAME.to_parquet(path),
    "t.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "t.json": lambda path: FRAME.to_json(path, orient="records"),
    "t.npz": lambda path: np.savez(path, X=np.arange(12.0).reshape(6, 2), y=np.array(FLAGS)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_yes_and_no_are_spelled_alike_in_every_format(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert read(tmp_path / name, Request()).labels == tuple(map(str, FLAGS))


def test_and_in_memory(tmp_path: Path) -> None:
    texts = FRAME["text"].tolist()
    odd = FRAME.assign(label=pd.Series([True, False, "maybe", True, False, False], dtype=object))
    for data in (FRAME, FRAME.astype({"label": "boolean"}), (texts, FLAGS), (texts, np.array(FLAGS))):
        assert read(place_of(data, tmp_path), Request()).labels == tuple(map(str, FLAGS))
    assert read(place_of(odd, tmp_path), Request()).labels == ("True", "False", "maybe", "True", "False", "False")
