"""Checkpoints: whole or absent, recognised when damaged, bound to one plan, method and data.

A checkpoint is a folder `NNNNNN` with state.safetensors (arrays) and state.json (plain values, the SHA-256 of the
arrays, and a digest of all that stands in it). The newest sound one is used; damaged ones are passed over with a word
in the log.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from keiki.core.files import TEMPORARY, digest, read_json, sha256_file, write_json, write_tensors, writing_folder
from keiki.core.record import Record

Arrays = Mapping[str, npt.NDArray[Any]]
KEPT = 2  # the newest and the one before it


@dataclass(frozen=True)
class State:
    """What a run needs to go on: arrays by name and plain values."""

    arrays: dict[str, npt.NDArray[Any]]
    values: dict[str, Any]


class Checkpoints:
    """The checkpoints of one fit; `identity` is the digest of its data, options and plan.

    The first that is written clears what killed writers left beside it: one process at a time writes here, because it
    holds the lock of the run.
    """

    def __init__(self, folder: Path, identity: str, record: Record) -> None:
        self.folder = folder / identity[:16]
        self.identity = identity
        self.record = record
        self._is_clear = False

    def save(self, number: int, arrays: Arrays, values: Mapping[str, Any]) -> None:
        """Write checkpoint `number`; older ones but one go."""
        self._clear()
        with writing_folder(self.folder / f"{number:06d}") as folder:
            plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # without axes, they stay so
            write_tensors(folder / "state.safetensors", plain)
            sha256 = sha256_file(folder / "state.safetensors")
            content = {"identity": self.identity, "sha256": sha256, "values": dict(values)}
            write_json(folder / "state.json", _sealed(content))
        for old in self._folders()[:-KEPT]:
            shutil.rmtree(old)

    def append(self, arrays: Arrays, values: Mapping[str, Any]) -> None:
        """Write a checkpoint after all that are there, sound or not."""
        folders = self._folders()
        self.save(int(folders[-1].name) + 1 if folders else 1, arrays, values)

    def newest(self) -> State | None:
        """The newest sound checkpoint, or None."""
        for folder in reversed(self._folders()):
            state = self._read(folder)
            if state is not None:
                return state
        return None

    def _read(self, folder: Path) -> State | None:
        try:
            content = _opened(read_json(folder / "state.json"))
            sound = content["identity"] == self.identity and content["sha256"] == sha256_file(
                folder / "state.safetensors"
            )
        except (OSError, ValueError, KeyError, TypeError) as problem:
            self.record.event("checkpoint damaged", folder=folder.name, reason=str(problem))
            return None
        if not sound:
            self.record.event("checkpoint damaged", folder=folder.name, reason="its digest does not match")
            return None
        return State(load_file(folder / "state.safetensors"), content["values"])

    def _clear(self) -> None:
        """Remove unfinished folders and files, once: they may be as large as the network."""
        if self._is_clear:
            return
        for left in self.folder.glob(f"{TEMPORARY}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self._is_clear = True

    def _folders(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]" * 6)) if self.folder.is_dir() else []


def _sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values with their digest, taken of what reading them will give."""
    plain = json.loads(json.dumps(content, allow_nan=False))
    return {**plain, "digest": digest(plain)}


def _opened(sealed: Any) -> dict[str, Any]:
    """What was sealed; raises ValueError where it is not what was written."""
    if not isinstance(sealed, dict):
        raise ValueError("it holds no object")
    content = {name: value for name, value in sealed.items() if name != "digest"}
    if sealed.get("digest") != digest(content):
        raise ValueError("the digest of its values does not match")
    return content
