"""A torch module as an ONNX graph: converted once, checked against the module, kept by the digest of its weights."""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from keiki.core.errors import KeikiError, ParityError
from keiki.core.files import digest as digest_of
from keiki.core.files import read_json, sha256_file, write_json, writing_folder

if TYPE_CHECKING:
    from torch import nn

Arrays = Mapping[str, npt.NDArray[np.generic]]

FORMAT = 2  # of the kept folder; a new number makes every graph anew
EXPORTERS = ("torch", "onnx", "onnxscript")
TOLERANCE = 1e-5  # of the largest output; Lite0 and MiniLM stay below 2e-6
GRAPH = "model.onnx"
FACTS = "graph.json"

# What the exporter of torch 2.11 to 2.13 says about itself; no user can act on it.
CHATTER = (
    (FutureWarning, r".*isinstance\(treespec, LeafSpec\).*"),
    (DeprecationWarning, r".*"),
)


def convert(build: Callable[[], nn.Module], example: Arrays, witness: Arrays, digest: str, folder: Path) -> Path:
    """The graph of the module that `build` makes, from `folder` where it was kept, else converted now (seconds).

    example, witness: two sets of named inputs; the axes on which their sizes differ are free in the graph (batch,
    length), all others fixed. The graph must answer `witness` as the module does. digest: SHA-256 of the weights and of
    whatever else decides what the module computes. `build` is called, and torch imported, only where the graph is new.

    Several processes may ask at once: one converts, the others wait. A kept graph whose files are not as they were
    written is converted anew. Raises ParityError where max|graph - module| > 1e-5 max|module|, KeikiError where the
    module cannot be exported.
    """
    facts = _facts(example, witness, digest)
    home = folder / digest_of(facts)[:32]
    if _is_sound(home):
        return home / GRAPH
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{home.name}.lock"):
        if not _is_sound(home):
            shutil.rmtree(home, ignore_errors=True)  # what cannot be removed stops the renaming below
            with writing_folder(home) as temporary:
                module = build().eval()
                _export(module, example, facts["free"], temporary / GRAPH)
                difference = _difference(module, temporary / GRAPH, witness)
                files = {file.name: sha256_file(file) for file in sorted(temporary.iterdir())}
                write_json(temporary / FACTS, {**facts, "difference": difference, "files": files})
    return home / GRAPH


def _is_sound(home: Path) -> bool:
    """Whether the graph kept in `home` is there and as it was written; its digests are taken once a process."""
    try:
        files = read_json(home / FACTS)["files"]
        stamps = tuple((name, (home / name).stat().st_mtime_ns) for name in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False  # not there, or damaged: it is made anew
    return GRAPH in files and all(_digest(home / name, stamp) == files[name] for name, stamp in stamps)


@cache
def _digest(path: Path, stamp: int) -> str:
    return sha256_file(path)


def _facts(example: Arrays, witness: Arrays, digest: str) -> dict[str, Any]:
    free = {
        name: [axis for axis, pair in enumerate(_sizes(example, witness, name)) if len(set(pair)) > 1]
        for name in example
    }
    fixed = {
        name: [None if axis in free[name] else size for axis, size in enumerate(array.shape)]
        for name, array in example.items()
    }
    return {
        "format": FORMAT,
        "digest": digest,
        "inputs": fixed,
        "free": free,
        "types": {name: str(array.dtype) for name, array in example.items()},
        "versions": {package: version(package) for package in EXPORTERS},
    }


def _sizes(example: Arrays, witness: Arrays, name: str) -> list[tuple[int, int]]:
    return list(zip(example[name].shape, witness[name].shape, strict=True))


def _export(module: nn.Module, example: Arrays, free: Mapping[str, list[int]], graph: Path) -> None:
    import torch

    shapes = {name: dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for name, axes in free.items()}
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in example.items()}
    try:
        with _quiet():
            torch.onnx.export(
                module,
                kwargs=tensors,
                f=graph,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(example),
                output_names=["features"],
                external_data=True,
                optimize=True,
                verbose=False,  # True prints to stdout, which belongs to results
            )
    except torch.onnx.OnnxExporterError as error:
        raise KeikiError(
            f"The network does not convert to ONNX: {error}", hint="Choose another backbone: keiki backbones"
        ) from error


def _difference(module: nn.Module, graph: Path, witness: Arrays) -> float:
    from keiki.engines.onnx import OnnxEngine
    from keiki.engines.torch import TorchEngine

    expected = TorchEngine(module).run(witness)
    difference = relative_difference(OnnxEngine(graph).run(witness), expected)
    if not difference <= TOLERANCE:
        raise ParityError(
            f"The converted graph differs from the network by {difference:.1e} of its largest output, "
            f"more than {TOLERANCE:.0e}.",
            hint="Choose another backbone: keiki backbones",
        )
    return difference


def relative_difference(ours: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]) -> float:
    """max|ours - reference| / max|reference|; 0 where both are all zeros, not a number where either is.

    >>> relative_difference(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    0.5
    """
    scale = float(np.max(np.abs(reference)))
    gap = float(np.max(np.abs(ours - reference)))
    return gap / scale if scale else gap


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        for category, message in CHATTER:
            warnings.filterwarnings("ignore", message, category)
        yield
