"""The cache keeps its promises when it is killed, when the disk is full, when it is damaged and when others use it."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keiki.backbones.cache import MANIFEST, Cache, open_cache
from keiki.backbones.disk import Disk, lock
from keiki.core.errors import KeikiError, RequestError
from keiki.core.places import cache_root

KEYS = [f"{i:02x}" * 32 for i in range(8)]
FILES = {"a.bin": b"alpha" * 100, "b.bin": b"beta" * 50}
GIB = 2**30


class Killed(BaseException):
    """The process is gone; nothing that stands in a `finally` happens on disk any more."""


class DyingDisk(Disk):
    """Dies at system call number `fatal`, in the middle of it if it is a write."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.calls, self.opened = fatal, 0, []

    def bury(self) -> None:
        for file in self.opened:  # the kernel closes the files of the dead, and with them their locks
            file.close()


class FullDisk(DyingDisk):
    """Refuses system call number `fatal`; later ones succeed."""


def _dying(name):
    def call(self, *args):
        self.calls += 1
        if self.calls >= self.fatal:
            if name == "write" and self.calls == self.fatal:
                Disk.write(self, args[0], args[1][: len(args[1]) // 2])
            raise Killed
        result = getattr(Disk, name)(self, *args)
        if name == "create":
            self.opened.append(result)
        return result

    return call


def _refusing(name):
    def call(self, *args):
        self.calls += 1
        if self.calls == self.fatal and name != "close":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return getattr(Disk, name)(self, *args)

    return call


for _name in [name for name in vars(Disk) if not name.startswith("_")]:
    setattr(DyingDisk, _name, _dying(_name))
    setattr(FullDisk, _name, _refusing(_name))


def content(cache, key, area="features"):
    held = cache.get(area, key)
    if held is None:
        return None
    with held:
        return {name: held.read(name) for name in FILES}


def leftovers(root):
    return list((root / "tmp").glob("*"))


def calls_of(action, tmp_path):
    """How many system calls `action(cache)` makes."""
    disk = DyingDisk(10**9)
    action(Cache(tmp_path / "counted", GIB, disk))
    disk.bury()
    return disk.calls


def put_two(cache):
    cache.put("features", KEYS[0], FILES)
    cache.put("features", KEYS[1], FILES)


def put_and_evict(cache):
    put_two(cache)
    cache.clear(graphs=True)
    cache.put("features", KEYS[0], FILES)


def put_over_damage(cache):
    cache.put("features", KEYS[0], FILES)
    (cache.root / "features" / KEYS[0][:2] / KEYS[0] / "a.bin").write_bytes(b"beta")
    assert content(cache, KEYS[0]) is None
    cache.put("features", KEYS[0], FILES)


@pytest.mark.parametrize("action", [put_two, put_and_evict, put_over_damage])
def test_killed_at_any_system_call_no_reader_sees_a_part_and_the_next_writer_succeeds(action, tmp_path):
    for fatal in range(1, calls_of(action, tmp_path) + 1):
        root = tmp_path / str(fatal)
        disk = DyingDisk(fatal)
        with pytest.raises(Killed):
            action(Cache(root, GIB, disk))
        disk.bury()
        survivor = Cache(root, GIB)
        assert all(content(survivor, key) in (None, FILES) for key in KEYS[:2])
        put_two(survivor)
        assert content(survivor, KEYS[0]) == content(survivor, KEYS[1]) == FILES
        survivor.sweep(older_than_seconds=-1)
        assert leftovers(root) == []
        assert survivor.sizes()["features"]["entries"] == 2


def test_a_place_that_cannot_be_is_said_with_the_next_step(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file" / "cache", GIB)
    for ask in (lambda: cache.graphs, lambda: put_two(cache)):
        with pytest.raises(KeikiError, match=r"cannot be written: Not a directory.*KEIKI_CACHE"):
            ask()


def test_a_full_disk_is_said_with_the_next_step(tmp_path):
    with pytest.raises(KeikiError, match=r"cannot be written: No space left on device.*KEIKI_CACHE"):
        put_two(Cache(tmp_path, GIB, FullDisk(4)))
    assert leftovers(tmp_path) == []


def test_a_full_disk_at_any_system_call_leaves_the_rest_intact(tmp_path):
    for fatal in range(1, calls_of(put_two, tmp_path) + 1):
        root = tmp_path / str(fatal)
        Cache(root, GIB).put("features", KEYS[2], FILES)
        cache = Cache(root, GIB, FullDisk(fatal))
        with contextlib.suppress(KeikiError):
            put_two(cache)
        sound = Cache(root, GIB)
        assert content(sound, KEYS[2]) == FILES
        assert all(content(sound, key) in (None, FILES) for key in KEYS[:2])
        put_two(cache)  # there is space again
        assert content(sound, KEYS[0]) == content(sound, KEYS[1]) == FILES


CHILD = """
import sys
from pathlib import Path
from keiki.backbones.cache import Cache
cache = Cache(Path(sys.argv[1]), 2**30)
files = {"a.bin": b"alpha" * 100, "b.bin": b"beta" * 50}
print("ready", flush=True)
"""


def child(script, root):
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD + script, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process):
    process.communicate("go\n", timeout=30)
    return process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_killed_by_the_system_leaves_only_whole_entries(tmp_path):
    script = "import itertools\nfor i in itertools.count(): cache.put('features', f'{i:064x}', files)"
    for pause in (0.0, 0.013, 0.031):
        process = child(script, tmp_path)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    cache = Cache(tmp_path, GIB)
    stored = [path.name for path in (tmp_path / "features").glob("*/*")]
    assert all(content(cache, key) == FILES for key in stored)
    cache.sweep(older_than_seconds=-1)
    assert leftovers(tmp_path) == []


def test_two_processes_that_write_the_same_entries_both_succeed(tmp_path):
    script = "sys.stdin.readline()\nfor i in range(40): cache.put('features', f'{i:064x}', files)"
    processes = [child(script, tmp_path) for _ in range(2)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [finish(process) for process in processes] == [0, 0]
    assert all(content(Cache(tmp_path, GIB), f"{i:064x}") == FILES for i in range(40))
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="an open file protects the entry there")
def test_an_entry_held_by_another_process_is_never_evicted(tmp_path):
    put_two(Cache(tmp_path, GIB))
    script = f"held = cache.get('features', {KEYS[0]!r})\nprint('held', flush=True)\nsys.stdin.readline()"
    process = child(script, tmp_path)
    assert process.stdout.readline() == "held\n"
    cache = Cache(tmp_path, GIB)
    cache.clear()
    assert content(cache, KEYS[0]) == FILES
    assert content(cache, KEYS[1]) is None
    assert finish(process) == 0
    cache.clear()
    assert content(cache, KEYS[0]) is None


def test_an_entry_written_anew_is_not_evicted_by_one_who_meant_the_old(tmp_path, monkeypatch):
    slow, fast = Cache(tmp_path), Cache(tmp_path)
    fast.put("features", KEYS[0], FILES)
    held = []

    def late(file, exclusive):
        """Between opening and locking, others evict the entry, write it anew and hold it."""
        if exclusive and not held:
            monkeypatch.setattr("keiki.backbones.cache.lock", lock)
            assert fast.clear() > 0
            fast.put("features", KEYS[0], FILES)
            held.append(fast.get("features", KEYS[0]))
        return lock(file, exclusive)

    monkeypatch.setattr("keiki.backbones.cache.lock", late)
    slow.clear()
    with held[0] as entry:
        assert entry.read("a.bin") == FILES["a.bin"]


def test_a_mapped_array_stays_readable_while_the_cache_is_cleared(tmp_path):
    cache = Cache(tmp_path, GIB)
    npy = tmp_path / "x.npy"
    np.save(npy, np.arange(12.0))
    cache.put("features", KEYS[0], {"x.npy": npy.read_bytes()})
    with cache.get("features", KEYS[0]) as held:
        array = held.array("x.npy")
        assert cache.clear() == 0
        np.testing.assert_array_equal(array, np.arange(12.0))
        assert not array.flags.writeable


def test_the_least_recently_used_entries_go_first_and_the_cap_holds(tmp_path):
    cache = Cache(tmp_path, 4 * 1300)
    for i, key in enumerate(KEYS[:4]):
        cache.put("features", key, {**FILES, "a.bin": bytes(500)})
        os.utime(tmp_path / "features" / key[:2] / key / MANIFEST, (i, i))
    cache.get("features", KEYS[0]).close()
    for key in KEYS[4:]:
        cache.put("features", key, FILES)
    sizes = cache.sizes()["features"]
    assert sizes["bytes"] <= 4 * 1300
    assert cache.get("features", KEYS[1]) is None
    with cache.get("features", KEYS[7]):
        pass


def test_an_entry_in_use_survives_its_turn_to_be_evicted(tmp_path):
    cache = Cache(tmp_path, 3000)
    cache.put("features", KEYS[0], FILES)
    with cache.get("features", KEYS[0]):
        for key in KEYS[1:]:
            cache.put("features", key, FILES)
        assert content(cache, KEYS[0]) == FILES


def test_results_count_against_the_cap_and_graphs_do_not(tmp_path):
    cache = Cache(tmp_path, 1000)
    (cache.graphs / "net.onnx").write_bytes(bytes(5000))
    cache.put("features", KEYS[0], FILES)
    cache.put("results", KEYS[1], FILES)
    assert cache.sizes()["graphs"] == {"entries": 1, "bytes": 5000}
    assert cache.sizes()["features"]["entries"] + cache.sizes()["results"]["entries"] == 1
    cache.clear()
    assert (cache.graphs / "net.onnx").exists()
    assert cache.clear(graphs=True) >= 5000
    assert not list(cache.graphs.iterdir())


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged")
    Cache(root, GIB).put("features", KEYS[0], FILES)
    return root


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([MANIFEST, *FILES]), place=st.floats(0, 0.999), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed_and_the_entry_is_removed(damaged, name, place, change):
    folder = damaged / "features" / KEYS[0][:2] / KEYS[0]
    data = bytearray((folder / name).read_bytes())
    data[int(place * len(data))] ^= change
    (folder / name).write_bytes(data)
    cache = Cache(damaged, GIB)
    found = content(cache, KEYS[0])
    assert found is None or (name == MANIFEST and found == FILES)  # white space of the manifest may change
    assert found == FILES or not folder.exists()
    if found:
        cache.clear()
    cache.put("features", KEYS[0], FILES)
    assert content(cache, KEYS[0]) == FILES


@pytest.mark.parametrize("name", [MANIFEST, *FILES])
@pytest.mark.parametrize("how", ["missing", "empty", "longer"])
def test_missing_and_resized_files_are_noticed_even_after_a_good_read(name, how, tmp_path):
    cache = Cache(tmp_path, GIB)
    cache.put("features", KEYS[0], FILES)
    assert content(cache, KEYS[0]) == FILES
    path = tmp_path / "features" / KEYS[0][:2] / KEYS[0] / name
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else path.read_bytes() + b"x")
    assert content(cache, KEYS[0]) is None
    cache.put("features", KEYS[0], FILES)
    assert content(cache, KEYS[0]) == FILES


def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    dead = tmp_path / "tmp" / ".part-dead"
    dead.mkdir(parents=True)
    (dead / "a.bin").write_bytes(b"half")
    cache = Cache(tmp_path, GIB)
    cache.sweep()
    assert dead.exists()  # too young to be sure
    os.utime(dead, (1, 1))
    cache.sweep()
    assert not dead.exists()

    class Watching(Disk):
        def sync_folder(self, path):
            pass

        def sync(self, file):
            Cache(tmp_path, GIB).sweep(older_than_seconds=-1)

    Cache(tmp_path, GIB, Watching()).put("features", KEYS[0], FILES)
    assert content(cache, KEYS[0]) == FILES


def test_remember_computes_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"scalar": np.float64(0.5), "matrix": np.arange(6.0).reshape(2, 3).T, "flags": np.array([True, False])}

    first = Cache(tmp_path, GIB).remember({"a": 1, "b": [2]}, compute)
    second = Cache(tmp_path, GIB).remember({"b": [2], "a": 1}, compute)
    assert len(calls) == 1
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert first[name].dtype == second[name].dtype
        assert first[name].shape == second[name].shape
    Cache(tmp_path, GIB).remember({"a": 2}, compute)
    assert len(calls) == 2


def test_what_must_not_be_remembered_is_computed_again(tmp_path):
    cache, made = Cache(tmp_path), []

    def compute():
        made.append(1)
        return {"x": np.zeros(2)}

    for _ in range(2):
        cache.remember({"a": 1}, compute, keep=lambda: False)
    assert len(made) == 2


def test_remember_json_returns_the_same_the_first_and_the_second_time(tmp_path):
    cache = Cache(tmp_path, GIB)
    first = cache.remember_json("facts", lambda: {"x": (1, 2.5), "ü": None})
    assert first == cache.remember_json("facts", lambda: pytest.fail("computed twice")) == {"x": [1, 2.5], "ü": None}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_can_still_be_read(tmp_path):
    Cache(tmp_path, GIB).put("features", KEYS[0], FILES)
    tmp_path.chmod(0o555)
    try:
        assert content(Cache(tmp_path, GIB), KEYS[0]) == FILES
    finally:
        tmp_path.chmod(0o755)


def test_a_root_that_is_a_file_is_refused_with_the_next_step(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(KeikiError, match="KEIKI_CACHE"):
        Cache(tmp_path / "file", GIB).put("features", KEYS[0], FILES)


def test_where_the_cache_lies():
    assert cache_root({"KEIKI_CACHE": "/x"}, "linux") == Path("/x")
    assert cache_root({}, "linux") == Path.home() / ".cache" / "keiki"
    assert cache_root({}, "darwin") == Path.home() / "Library" / "Caches" / "keiki"
    assert cache_root({"LOCALAPPDATA": "/local"}, "win32") == Path("/local/keiki")
    with pytest.raises(RequestError, match="KEIKI_CACHE_GB"):
        open_cache({"KEIKI_CACHE_GB": "much"})


def test_the_default_cap_is_a_tenth_of_the_free_disk_and_at_most_20_gib(tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(0, 0, 50 * GIB))
    assert Cache(tmp_path).cap_bytes == 5 * GIB
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(0, 0, 5000 * GIB))
    assert Cache(tmp_path).cap_bytes == 20 * GIB
