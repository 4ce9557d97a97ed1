import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from keiki.core.errors import BundleError
from keiki.engines.onnx import OnnxEngine


def scaled(path: Path, weight: np.ndarray, location: str | None = None) -> Path:
    """y (B, D) = x (B, D) * weight (D,); with `location` the weight is expected in that file beside the graph."""
    width = len(weight)
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [width], weight.astype("<f4").tobytes(), raw=True)
    if location is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, "offset": "0", "length": str(4 * width)}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "scaled", ends[:1], ends[1:], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def test_runs_a_graph_and_leaves_out_inputs_that_it_lacks(tmp_path: Path):
    engine = OnnxEngine(scaled(tmp_path / "g.onnx", np.arange(4.0)))
    x = np.ones((3, 4), np.float32)
    answer = engine.run({"x": x, "token_type_ids": np.zeros((3, 4), np.int64)})
    assert engine.inputs == ("x",)
    assert answer.dtype == np.float32
    assert np.array_equal(answer, x * np.arange(4.0))


def test_same_graph_same_bits(tmp_path: Path):
    graph = scaled(tmp_path / "g.onnx", np.linspace(-1, 1, 257))
    x = np.random.default_rng(0).normal(size=(9, 257)).astype(np.float32)
    assert OnnxEngine(graph).run({"x": x}).tobytes() == OnnxEngine(graph).run({"x": x}).tobytes()


def test_weights_may_lie_beside_the_graph(tmp_path: Path):
    (tmp_path / "w.bin").write_bytes(np.full(256, 2, "<f4").tobytes())
    engine = OnnxEngine(scaled(tmp_path / "g.onnx", np.zeros(256), "w.bin"))
    assert engine.run({"x": np.ones((1, 256), np.float32)}).sum() == 512


@pytest.mark.parametrize("location", ["../w.bin", "{folder}/w.bin", "link.bin"])
def test_weights_outside_the_graphs_folder_are_refused(tmp_path: Path, location: str):
    (tmp_path / "w.bin").write_bytes(np.ones(256, "<f4").tobytes())
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(BundleError, match="cannot be opened"):
        OnnxEngine(scaled(inner / "g.onnx", np.zeros(256), location.format(folder=tmp_path)))


@pytest.mark.parametrize("content", [b"", b"no graph at all"])
def test_a_damaged_file_is_a_bundle_error(tmp_path: Path, content: bytes):
    (tmp_path / "g.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"g\.onnx"):
        OnnxEngine(tmp_path / "g.onnx")
    with pytest.raises(BundleError, match="absent"):
        OnnxEngine(tmp_path / "absent.onnx")


def test_never_imports_torch_nor_onnx(tmp_path: Path):
    graph = scaled(tmp_path / "g.onnx", np.ones(4))
    code = (
        "import sys, numpy, pathlib; from keiki.engines.onnx import OnnxEngine\n"
        f"OnnxEngine(pathlib.Path({str(graph)!r})).run({{'x': numpy.ones((1, 4), 'f4')}})\n"
        "print(sorted({'torch', 'torchvision', 'timm', 'transformers', 'sklearn', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
