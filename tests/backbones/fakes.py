"""A transform and a backbone that give away in which batch a row was computed, and a tiny real network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keiki.backbones.base import Backbone, Card
from keiki.core.errors import UnreadableItem
from keiki.core.files import sha256_bytes
from keiki.data.task import Items
from keiki.data.transforms.base import Transform


def texts(count: int, prefix: str = "text") -> Items:
    raws = tuple(f"{prefix} {i} " + "x" * (i * 7 % 23) for i in range(count))
    return of_texts(raws)


def of_texts(raws) -> Items:
    ids = tuple(f"row {i}" for i in range(len(raws)))
    return Items("text", ids, tuple(raws), tuple(sha256_bytes(raw.encode()) for raw in raws))


def of_files(paths) -> Items:
    return Items(
        "image", tuple(p.name for p in paths), tuple(paths), tuple(sha256_bytes(p.read_bytes()) for p in paths)
    )


@dataclass(frozen=True)
class Telltale(Transform):
    """Features (length, first number, items in the batch, longest of the batch): they betray how batches were made."""

    scale: float = 1.0
    prepared: list = field(default_factory=list, compare=False)
    batches: list = field(default_factory=list, compare=False)
    kind = "telltale"

    def prepare(self, raw):
        self.prepared.append(raw)
        if "broken" in str(raw):
            raise UnreadableItem("broken on purpose")
        number = int("".join(c for c in str(raw) if c.isdigit()) or 0)
        return np.array([len(str(raw)), number * self.scale], dtype=np.float32)

    def collate(self, prepared):
        rows = np.stack(prepared)
        self.batches.append(len(rows))
        extra = np.tile([len(rows), rows[:, 0].max()], (len(rows), 1))
        return {"features": np.concatenate([rows, extra], axis=1).astype(np.float32)}

    def to_json(self):
        return {"kind": self.kind, "scale": self.scale}

    @classmethod
    def from_json(cls, data, folder):
        return cls(data["scale"])


class Sorted(Telltale):
    """The same, batched by length."""

    kind = "sorted"

    def cost(self, prepared):
        return int(prepared[0])


class Fake(Backbone):
    def __init__(self, *transforms: Transform, weights: str = "0", name: str = "fake", modality="text") -> None:
        self.card = Card(name, "fake", modality, 4, 0, "Apache-2.0", "here", sha256_bytes(weights.encode()))
        self._transforms = transforms or (Telltale(),)

    def transforms(self):
        return {f"view{i}": transform for i, transform in enumerate(self._transforms)}


class TinyNetwork(Fake):
    """tanh(x W) as an ONNX graph and as a torch module: (B, 64) -> (B, 32)."""

    def __init__(self, transform: Transform) -> None:
        super().__init__(transform, name="tiny")
        self.weight = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)

    def graph(self, transform, folder):
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Tanh", ["y"], ["z"])]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])
        z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 32])
        graph = helper.make_graph(nodes, "tiny", [x], [z], [numpy_helper.from_array(self.weight, "w")])
        path = Path(folder) / "tiny.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.save(model, str(path))
        return path

    def module(self):
        import torch

        weight = torch.from_numpy(self.weight)

        class Tiny(torch.nn.Module):
            def forward(self, x):
                return torch.tanh(x @ weight)

        return Tiny()


class Noise(Telltale):
    """64 numbers that a text decides."""

    kind = "noise"

    def prepare(self, raw):
        self.prepared.append(raw)
        return np.random.default_rng(len(raw) * 1000 + sum(raw.encode())).normal(size=64).astype(np.float32)

    def collate(self, prepared):
        self.batches.append(len(prepared))
        return {"x": np.stack(prepared)}
