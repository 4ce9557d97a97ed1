"""The cache: what was once computed, found again by what it was computed from.

    root/
      features/ab/abcd.../    one entry: its files and entry.json with their lengths and SHA-256
      results/ab/abcd.../     the same, for small memoised results
      graphs/                 converted graphs, kept by weights digest; never evicted
      unpacked/               what was packed in files, read by keiki.data.sources
      shelf/                  data that came as Python objects: the user's, which runs refer to; never evicted
      tmp/.part-.../          entries being written or removed

An entry is made whole under tmp/, synced, and renamed into place, so that a process may be killed between any two
system calls and no reader ever sees a part of it. A reader holds a shared lock on entry.json; eviction (least recently
used first) removes an entry only under the exclusive lock. Where the system has no such lock (Windows) an open file
cannot be renamed away, which protects it as well. Entries whose digests do not match are removed and computed anew.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import numpy.typing as npt

from keiki.backbones.disk import Disk, is_locked, is_same, lock
from keiki.core.errors import KeikiError, RequestError
from keiki.core.files import TEMPORARY, digest, sha256_bytes, sha256_file
from keiki.core.places import CURE, cache_root
from keiki.data.sources.unpacked import idle, removed

Area = Literal["features", "results"]
Arrays = dict[str, npt.NDArray[Any]]

AREAS: tuple[Area, ...] = ("features", "results")
FOLDERS = ("graphs", "unpacked", "shelf")  # plain folders beside the areas; of these the cap holds for `unpacked`
MANIFEST = "entry.json"
FORMAT = 1  # of entries; part of every manifest, so that entries of another format count as absent
STALE_SECONDS = 3600.0  # a leftover in tmp/ is swept when it is older and no living process has locked it
DEFAULT_CAP_BYTES = 20 * 2**30
DEFAULT_FREE_SHARE = 0.1
EVICT_TO = 0.9  # of the cap, so that not every later entry evicts again
ATTEMPTS = 50  # at putting an entry while another process is evicting the same one
IN_THE_WAY = {errno.EEXIST, errno.ENOTEMPTY} | ({errno.EACCES} if sys.platform == "win32" else set())


class Held:
    """An entry held open: until `close` no process evicts it."""

    def __init__(self, folder: Path, guard: BinaryIO) -> None:
        self.folder = folder
        self._guard = guard

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array in the .npy file `name`, mapped read-only."""
        array: npt.NDArray[Any] = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        return array

    def read(self, name: str) -> bytes:
        """The bytes of the file `name`."""
        return (self.folder / name).read_bytes()

    def close(self) -> None:
        """Let the entry go."""
        self._guard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class _Entry:
    used_at: float
    size: int
    folder: Path
    leave: Callable[[], bool]  # removes it; False where somebody holds it


class Cache:
    """A content-addressed store under `root` that keeps itself below `cap_bytes`.

    The cap holds for entries and for what was unpacked, less what a living process has unpacked: that cannot go, and
    must not drive out the rest. cap_bytes None: 20 GiB or a tenth of the free disk (with what the cache holds),
    whichever is less.
    """

    def __init__(self, root: Path, cap_bytes: int | None = None, disk: Disk | None = None) -> None:
        self.root = root
        self._cap = cap_bytes
        self._disk = disk or Disk()
        self._sound: set[tuple[Path, int, int]] = set()  # files whose digest this process has checked
        self._used: int | None = None  # bytes, as far as this process knows; None = not yet counted

    def get(self, area: Area, key: str) -> Held | None:
        """The entry `key`, whole and locked against eviction; None where there is none.

        Digests are checked once a process, lengths always; a damaged entry is removed and counts as none.
        """
        folder = self._folder(area, key)
        try:
            guard = (folder / MANIFEST).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            if folder.exists() and not (folder / MANIFEST).exists():
                self._remove(folder)
            return None
        except OSError as cause:
            raise self._error("read", cause) from cause
        if not lock(guard, exclusive=False) or not is_same(guard, folder / MANIFEST):
            guard.close()  # it is being evicted at this moment
            return None
        if not self._is_sound(folder, key, guard.read()):
            guard.close()
            self._evict(folder)
            return None
        with contextlib.suppress(OSError):  # a cache that may only be read is still of use
            self._disk.touch(folder / MANIFEST)
        return Held(folder, guard)

    def put(self, area: Area, key: str, files: Mapping[str, bytes]) -> None:
        """Store `files` (name -> content) as the entry `key`. Where another process was faster, its entry stays."""
        folder = self._folder(area, key)
        temporary = self._temporary()
        try:
            self._write(temporary, key, files)
            self._disk.make_folder(folder.parent)
            self._publish(temporary, folder, area, key)
        except OSError as cause:
            raise self._error("written", cause) from cause
        finally:
            self._remove_tree(temporary)
        self._count(sum(map(len, files.values())))

    def remember(
        self,
        facts: Any,
        compute: Callable[[], Mapping[str, npt.NDArray[Any]]],
        keep: Callable[[], bool] = lambda: True,
    ) -> Arrays:
        """The arrays that `compute` returns, computed once for equal `facts` (plain JSON values).

        `facts` must hold everything that the result depends on; `keep` is asked after `compute` whether they do.
        """
        from safetensors.numpy import load, save

        key = _arrays_key(facts)
        if (held := self.get("results", key)) is not None:
            with held:
                return load(held.read("arrays.safetensors"))
        arrays = {name: np.asarray(value, order="C") for name, value in compute().items()}
        if keep():
            self.put("results", key, {"arrays.safetensors": save(arrays)})
        return arrays

    def remembers(self, facts: Any) -> bool:
        """Whether `remember` would find the arrays for equal `facts`."""
        held = self.get("results", _arrays_key(facts))
        if held is not None:
            held.close()
        return held is not None

    def remember_json(self, facts: Any, compute: Callable[[], Any]) -> Any:
        """As `remember`, for a result of plain JSON values."""
        key = digest({"json": FORMAT, "facts": facts})
        if (held := self.get("results", key)) is not None:
            with held:
                return json.loads(held.read("result.json"))
        text = json.dumps(compute(), ensure_ascii=False, allow_nan=False)
        self.put("results", key, {"result.json": text.encode()})
        return json.loads(text)

    @property
    def graphs(self) -> Path:
        """The folder of converted graphs; it exists."""
        folder = self.root / "graphs"
        try:
            self._disk.make_folder(folder)
        except OSError as cause:
            raise self._error("written", cause) from cause
        return folder

    @property
    def cap_bytes(self) -> int:
        """How large features, results and what was unpacked may become together."""
        if self._cap is None:
            self._disk.make_folder(self.root)
            within_reach = shutil.disk_usage(self.root).free + sum(entry.size for entry in self._all())
            self._cap = min(DEFAULT_CAP_BYTES, int(DEFAULT_FREE_SHARE * within_reach))
        return self._cap

    def sizes(self) -> dict[str, dict[str, int]]:
        """Entries and bytes of every area: {'features': {'entries': 3, 'bytes': 4096}, ...}."""
        found: dict[str, list[int]] = {area: [entry.size for entry in self._entries((area,))] for area in AREAS}
        for area in FOLDERS:
            found[area] = [each.stat().st_size for each in (self.root / area).rglob("*") if each.is_file()]
        return {area: {"entries": len(sizes), "bytes": sum(sizes)} for area, sizes in found.items()}

    def clear(self, graphs: bool = False, data: bool = False) -> int:
        """Remove all entries and all that was unpacked that no process holds; returns the bytes freed.

        graphs: converted graphs too. data: those that came as Python objects too, which no run can go on without.
        """
        freed = sum(entry.size for entry in self._all() if entry.leave())
        sizes = self.sizes()
        for area in (*(["graphs"] if graphs else []), *(["shelf"] if data else [])):
            if (self.root / area).exists():
                freed += sizes[area]["bytes"]
                self._remove(self.root / area)
        self.sweep()
        self._used = None
        return freed

    def shrink(self) -> None:
        """Evict the least recently used entries that nobody holds, until the cache is well below its cap."""
        entries = sorted(self._all(), key=lambda entry: (entry.used_at, entry.folder))
        used, goal = sum(entry.size for entry in entries), EVICT_TO * self.cap_bytes
        if used > self.cap_bytes:
            for entry in entries[:-1]:  # the newest stays: it is about to be read
                if used <= goal:
                    break
                used -= entry.size if entry.leave() else 0
        self._used = used

    def sweep(self, older_than_seconds: float = STALE_SECONDS) -> None:
        """Remove what killed processes left unfinished."""
        before = time.time() - older_than_seconds
        leftovers = [*(self.root / "tmp").glob(f"{TEMPORARY}*"), *(self.root / "graphs").rglob(f"{TEMPORARY}*")]
        for each in leftovers:
            with contextlib.suppress(FileNotFoundError):  # its owner or another sweeper was faster
                if each.stat().st_mtime <= before and not is_locked(each / MANIFEST):
                    self._remove_tree(each)

    def _error(self, verb: str, cause: OSError) -> KeikiError:
        return KeikiError(
            f"The cache '{self.root}' cannot be {verb}: {cause.strerror or cause}.",
            hint=CURE,
        )

    def _folder(self, area: Area, key: str) -> Path:
        return self.root / area / key[:2] / key

    def _temporary(self) -> Path:
        return self.root / "tmp" / f"{TEMPORARY}{secrets.token_hex(8)}"

    def _write(self, folder: Path, key: str, files: Mapping[str, bytes]) -> None:
        self._disk.make_folder(folder)
        manifest = self._disk.create(folder / MANIFEST)
        try:
            lock(manifest, exclusive=True)  # tells sweepers that this writer lives
            for name, data in files.items():
                self._write_file(folder / name, data)
            listed = {name: [len(data), sha256_bytes(data)] for name, data in files.items()}
            text = json.dumps({"format": FORMAT, "key": key, "files": listed}, sort_keys=True)
            self._disk.write(manifest, text.encode())
            self._disk.sync(manifest)
        finally:
            self._disk.close(manifest)
        self._disk.sync_folder(folder)

    def _write_file(self, path: Path, data: bytes) -> None:
        file = self._disk.create(path)
        try:
            self._disk.write(file, data)
            self._disk.sync(file)
        finally:
            self._disk.close(file)

    def _publish(self, temporary: Path, folder: Path, area: Area, key: str) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return self._disk.rename(temporary, folder)
            except OSError as error:
                if error.errno not in IN_THE_WAY:
                    raise
            if (held := self.get(area, key)) is not None:  # another process was faster; its bytes are the same
                return held.close()
            time.sleep(0.01 if attempt else 0.0)  # the one in the way was damaged, or is being evicted just now
        raise OSError(errno.EBUSY, f"'{folder}' is in use and cannot be replaced")

    def _is_sound(self, folder: Path, key: str, manifest: bytes) -> bool:
        try:
            described = json.loads(manifest)
            if described["format"] != FORMAT or described["key"] != key:
                return False
            files = [(folder / name, int(size), str(sha)) for name, (size, sha) in described["files"].items()]
            return all(self._is_file_sound(path, size, sha) for path, size, sha in files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False  # a manifest that cannot be read is damage like any other

    def _is_file_sound(self, path: Path, size: int, sha: str) -> bool:
        status = path.stat()
        seen = (path, status.st_ino, status.st_mtime_ns)
        if status.st_size != size or (seen not in self._sound and sha256_file(path) != sha):
            return False
        self._sound.add(seen)
        return True

    def _count(self, added: int) -> None:
        if self._used is None:
            self.sweep()
            self._used = sum(entry.size for entry in self._all())
        else:
            self._used += added
        if self._used > self.cap_bytes:
            self.shrink()

    def _entries(self, areas: tuple[Area, ...] = AREAS) -> Iterator[_Entry]:
        for area in areas:
            for folder in (self.root / area).glob("*/*"):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # evicted while we were counting
                    size = sum(file.stat().st_size for file in os.scandir(folder))
                    used_at = (folder / MANIFEST).stat().st_mtime
                    yield _Entry(used_at, size, folder, partial(self._evict, folder))

    def _all(self) -> Iterator[_Entry]:
        """All that the cap holds for."""
        yield from self._entries()
        for each in idle(self.root):
            yield _Entry(each.used_at, each.size, each.home, partial(removed, each.home))

    def _evict(self, folder: Path) -> bool:
        try:
            guard = (folder / MANIFEST).open("r+b")
        except OSError:
            return False
        with guard:
            if not lock(guard, exclusive=True) or not is_same(guard, folder / MANIFEST):
                return False  # somebody holds it, or holds what was written in its place since
            if sys.platform == "win32":
                guard.close()  # our own handle would stand in the way
            return self._remove(folder)

    def _remove(self, folder: Path) -> bool:
        """Rename away, then delete: no reader sees an entry that is half gone. False where the system refuses."""
        temporary = self._temporary()
        try:
            self._disk.make_folder(temporary.parent)
            self._disk.rename(folder, temporary)
        except OSError:
            return not folder.exists()
        self._remove_tree(temporary)
        return True

    def _remove_tree(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # what is left is swept later
            if not path.is_dir():
                return self._disk.remove_file(path)
            for each in path.iterdir():
                self._remove_tree(each)
            self._disk.remove_folder(path)


def _arrays_key(facts: Any) -> str:
    return digest({"arrays": FORMAT, "facts": facts})


def open_cache(environment: Mapping[str, str] | None = None) -> Cache:
    """The user's cache: KEIKI_CACHE names its folder, KEIKI_CACHE_GB its cap in GiB.

    >>> open_cache({"KEIKI_CACHE": "/data/keiki", "KEIKI_CACHE_GB": "2"}).cap_bytes
    2147483648
    """
    environment = os.environ if environment is None else environment
    text = environment.get("KEIKI_CACHE_GB", "")
    try:
        cap = int(float(text) * 2**30) if text else None
    except (ValueError, OverflowError) as cause:
        raise RequestError(f"KEIKI_CACHE_GB must be a number of GiB, but got '{text}'.") from cause
    return Cache(cache_root(environment), cap)
