"""bundle.json: what is in a bundle, and the SHA-256 of every file of it, checked before anything is opened.

The file vouches for itself, too: `digest` is the SHA-256 of its own text with 64 zeros in the digest's place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from keiki.core.errors import BundleError
from keiki.core.files import sha256_bytes, sha256_file

SCHEMA = 2  # 2: unfamiliar items, other wanted accuracies, sets
FILE = "bundle.json"
AGAIN = "Copy the folder again from where it was made, or fit again."
_NO_DIGEST = "0" * 64


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """bundle.json in `folder`, with `facts` and every other file that stands there."""
    files = {
        file.name: {"sha256": sha256_file(file), "bytes": file.stat().st_size}
        for file in sorted(folder.iterdir())
        if file.name != FILE
    }
    content = {"schema": SCHEMA, "digest": _NO_DIGEST, **facts, "files": files}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / FILE).write_bytes(text.replace(_NO_DIGEST, sha256_bytes(text.encode()), 1).encode())


def read(folder: Path) -> dict[str, Any]:
    """The checked content of bundle.json: nothing missing, nothing foreign, nothing changed, in the whole folder."""
    content = _parse(folder / FILE)
    if content.get("schema") != SCHEMA:
        raise BundleError(
            f"The bundle '{folder}' has schema {content.get('schema')!r}; this version of keiki reads schema {SCHEMA}.",
            hint="Open it with the version of keiki that wrote it, or fit again.",
        )
    _check_itself(folder / FILE, str(content.get("digest")))
    _check_files(folder, _listed(folder, content))
    return content


def digest_of(folder: Path) -> str:
    """What a bundle is known by, as its bundle.json says; nothing is checked but that it is JSON."""
    return str(_parse(folder / FILE).get("digest"))


def _listed(folder: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    files = content.get("files")
    if isinstance(files, dict) and all(
        isinstance(each, dict) and {"sha256", "bytes"} <= each.keys() for each in files.values()
    ):
        return files
    raise BundleError(f"'{folder / FILE}' does not list the files of the bundle.", hint=AGAIN)


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"'{path.parent}' is no bundle: it has no {FILE}.", hint=AGAIN) from error
    except ValueError as error:
        raise BundleError(f"'{path}' is damaged: it is not JSON.", hint=AGAIN) from error
    if not isinstance(content, dict):
        raise BundleError(f"'{path}' is damaged: it is no JSON object.", hint=AGAIN)
    return content


def _check_itself(path: Path, digest: str) -> None:
    blank = path.read_bytes().replace(digest.encode(), _NO_DIGEST.encode(), 1)
    if len(digest) != len(_NO_DIGEST) or sha256_bytes(blank) != digest:
        raise BundleError(f"'{path}' was changed after it was written: its SHA-256 does not match.", hint=AGAIN)


def _check_files(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    for name in files:
        if Path(name).name != name or "\\" in name or name in ("", "..", FILE):
            raise BundleError(f"The bundle '{folder}' names the file {name!r}, which may lie outside it.", hint=AGAIN)
    found = {child.name for child in folder.iterdir()} - {FILE}
    if missing := sorted(files.keys() - found):
        raise BundleError(f"The bundle '{folder}' lacks {_quoted(missing)}.", hint=AGAIN)
    if foreign := sorted(found - files.keys()):
        raise BundleError(
            f"The bundle '{folder}' holds what does not belong to it: {_quoted(foreign)}.",
            hint="Move that elsewhere; a bundle is opened only as it was written.",
        )
    with ThreadPoolExecutor(max_workers=len(files) or 1) as pool:  # hashing releases the interpreter's lock
        list(pool.map(lambda each: _check_file(folder / each[0], each[1]), files.items()))


def _check_file(path: Path, expected: Mapping[str, Any]) -> None:
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"'{path}' is no plain file.", hint="Put the file itself in its place.")
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise BundleError(f"'{path}' has {size} bytes instead of {expected['bytes']}.", hint=AGAIN)
    if sha256_file(path) != expected["sha256"]:
        raise BundleError(f"'{path}' was changed after it was written: its SHA-256 does not match.", hint=AGAIN)


def _quoted(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
