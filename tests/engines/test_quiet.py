"""No engine reports to anybody: what ONNX Runtime would leave in a home on its way to the network is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys, time
{first}
import numpy, onnxruntime
from onnx import TensorProto, helper
rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "ab"]
graph = helper.make_graph([helper.make_node("Neg", ["a"], ["b"])], "g", rows[:1], rows[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def left_behind(home: Path, first: str) -> list[str]:
    """The files in a fresh home after one session of ONNX Runtime."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    code = RUN.format(first=first)
    subprocess.run([sys.executable, "-c", code], env={**environment, "HOME": str(home)}, check=True, timeout=120)
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_an_engine_leaves_nothing_to_report(tmp_path: Path) -> None:
    if not any("onnxruntime" in name for name in left_behind(tmp_path / "plain", "")):
        pytest.skip("this build of ONNX Runtime reports nothing by itself")
    assert left_behind(tmp_path / "keiki", "import keiki.engines.onnx") == []


@pytest.mark.parametrize("name", ["image", "tokens", "vector"])
def test_so_does_the_example_beside_a_bundle(name: str, tmp_path: Path) -> None:
    from keiki.artifacts import examples

    script = Path(examples.__path__[0]) / f"{name}.py"
    first = f"import runpy; runpy.run_path({str(script)!r}, run_name='example')"
    assert left_behind(tmp_path / "home", first) == []
