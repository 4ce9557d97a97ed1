"""Engines are told apart by what they were made for, whatever the memory does with what is gone."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from keiki.backbones.base import load
from keiki.backbones.cache import Cache
from keiki.backbones.passes import Engines
from keiki.engines.plan import Plan


class Graph:
    """Stands for an engine: knows the graph that it was made from."""

    def __init__(self, graph: Path, threads: int) -> None:
        self.graph = graph


def test_a_new_transform_never_gets_the_engine_of_one_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keiki.engines.onnx.OnnxEngine", Graph)
    backbone = load("efficientnet-lite0")
    monkeypatch.setattr(type(backbone), "graph", lambda self, transform, home: Path(str(transform.to_json())))
    engines = Engines(Plan(engine="onnx"), Cache(tmp_path / "cache", 10**9))
    names = list(backbone.transforms())
    assert len(names) > 1
    for turn in range(200):
        transform: Any = backbone.transforms()[names[turn % len(names)]]  # a new object each time
        assert str(engines.of(backbone, transform).graph) == str(transform.to_json())  # type: ignore[attr-defined]
        del transform
        gc.collect(0)
