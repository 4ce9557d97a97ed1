"""ONNX Runtime on the CPU: the engine of the frozen pass, of predict and of the server. Never imports torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from keiki.core.errors import BundleError

# The official builds report usage to their maker unless this is set before they are loaded. Who wants it sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

REFUSED = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.RuntimeException,
)


@final
class OnnxEngine:
    """Runs the graph in the file `graph` with `threads` threads: same graph, threads and version, same bits.

    Arrays that the graph does not take are left out, so that one transform serves graphs with and without token types.
    Raises BundleError where the file is no graph, or keeps its weights outside its own folder.
    """

    def __init__(self, graph: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # what goes wrong is raised; ONNX Runtime need not write it to stderr too
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except REFUSED as error:
            raise BundleError(
                f"The graph '{graph}' cannot be opened: {error}.",
                hint="Delete it; a converted graph is made anew (keiki cache --clear --graphs).",
            ) from error
        self.inputs = tuple(each.name for each in self._session.get_inputs())

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
        """The graph's first output (B, ...) for named inputs (B, ...)."""
        output = self._session.run(None, {name: inputs[name] for name in self.inputs})[0]
        return np.asarray(output, dtype=np.float32)

    def run_all(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.float32]]:
        """Every output (B, ...) by its name, for named inputs (B, ...)."""
        outputs = self._session.run(None, {name: inputs[name] for name in self.inputs})
        names = [each.name for each in self._session.get_outputs()]
        return {name: np.asarray(output, dtype=np.float32) for name, output in zip(names, outputs, strict=True)}
