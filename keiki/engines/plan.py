"""The plan: every decision that changes the last bits of a result, made once, written down, reused on resume."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from typing import Any, Self


@dataclass(frozen=True)
class Plan:
    """Engine, threads, precision and batch plan of a run.

    One and two threads, fp32 and bf16, ONNX Runtime and torch give different last bits; the same plan on the same
    machine gives the same. It stands in plan.json before its first use and in every cache key.
    """

    engine: str = "onnx"  # onnx | torch
    engine_version: str = ""
    threads: int = 1
    precision: str = "fp32"
    batch_size: int = 32
    batch_cost: int = 1024  # padded tokens a batch, where items differ in length
    shard_size: int = 256

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The plan in `data`; keys of later versions are ignored."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


def make_plan(engine: str = "onnx", threads: int | None = None) -> Plan:
    """A plan for this machine: all the cores that this process may use, fp32."""
    package = {"onnx": "onnxruntime", "torch": "torch"}[engine]
    return Plan(engine=engine, engine_version=version(package), threads=threads or usable_cores())


def usable_cores() -> int:
    """Cores that this process may run on, at most 16: beyond that small batches no longer gain."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)
