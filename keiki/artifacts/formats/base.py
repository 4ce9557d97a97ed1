"""Export formats: one file each. An export is proven to answer like its bundle before it appears."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from keiki.artifacts.bundle import Bundle
from keiki.artifacts.parity import Certificate
from keiki.core.errors import RequestError
from keiki.core.files import write_json, writing_folder
from keiki.core.registry import Registry
from keiki.data.task import Raw

CERTIFICATE = "parity.json"


class Format(ABC):
    """One way to hand a model to the world outside keiki."""

    name: ClassVar[str]
    about: ClassVar[str]

    @classmethod
    @abstractmethod
    def write(cls, bundle: Bundle, folder: Path, samples: Sequence[Raw]) -> Certificate:
        """Write the export into the empty `folder`, compare it with the bundle on `samples`; raises ParityError."""


FORMATS: Registry[type[Format]] = Registry("export format", "keiki.artifacts.formats")


def export(bundle: Bundle, format: str, folder: Path, samples: Sequence[Raw]) -> Certificate:
    """Export to `folder`, which must be absent or empty; whole and with its certificate, or nothing at all."""
    kind = FORMATS.get(format)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"'{folder}' exists already.", hint="Name a new folder: --out FOLDER")
    with writing_folder(folder) as temporary:
        certificate = kind.write(bundle, temporary, samples)
        write_json(temporary / CERTIFICATE, {"format": format, "bundle": bundle.name, **certificate.to_json()})
        return certificate
