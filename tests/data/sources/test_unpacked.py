"""What was unpacked counts against the cap of the cache and leaves it by age, but never under a living process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keiki.backbones.cache import Cache
from keiki.data.sources import holds
from keiki.data.sources.unpacked import archive_of, idle, removed, unpacked

HOLD = """
import sys
from pathlib import Path
from keiki.data.sources.unpacked import unpacked
unpacked(sys.argv[1], 0, lambda folder: (folder / "a.bin").write_bytes(bytes(int(sys.argv[2]))))
print("there", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEIKI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def other(key: str, size: int = 1000) -> subprocess.Popen[str]:
    """Another process that has unpacked `key` and lives until it is spoken to."""
    command = [sys.executable, "-c", HOLD, key, str(size)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def left(key: str, size: int = 1000, used_at: float | None = None) -> Path:
    """The folder of `key`, unpacked by a process that has ended."""
    process = other(key, size)
    process.communicate("go\n")
    home = Path(os.environ["KEIKI_CACHE"]) / "unpacked" / key
    if used_at is not None:
        os.utime(home / "entry.json", (used_at, used_at))
    return home


def put(store: Cache, *letters: str) -> None:
    for letter in letters:
        store.put("features", letter * 64, {"a.bin": bytes(1000)})


def test_what_a_living_process_has_unpacked_is_not_removed(cache: Path) -> None:
    process = other("key")
    assert idle(cache) == []
    assert not removed(cache / "unpacked" / "key")
    assert Cache(cache, 2**30).clear() == 0
    assert (cache / "unpacked" / "key" / "files" / "a.bin").exists()
    process.communicate("go\n")
    assert [(each.home.name, each.size) for each in idle(cache)] == [("key", 1000)]
    assert Cache(cache, 2**30).clear() == 1000
    assert not (cache / "unpacked" / "key").exists()
    assert list((cache / "unpacked").glob(".part-*")) == []


def test_what_a_killed_process_has_unpacked_is_not_in_use(cache: Path) -> None:
    process = other("key")
    process.kill()
    process.communicate()
    assert [each.home.name for each in idle(cache)] == ["key"]
    assert list((cache / "unpacked" / holds.USERS).iterdir()) == []


def test_this_process_holds_what_it_asked_for(cache: Path) -> None:
    folder, _ = unpacked("key", 0, lambda folder: None)
    unpacked("key", 0, lambda folder: pytest.fail("filled twice"))
    assert idle(cache) == []
    assert not removed(folder.parent)
    assert Cache(cache, 2**30).clear() == 0
    assert folder.exists()


def test_a_cache_that_was_removed_by_hand_is_made_anew(cache: Path) -> None:
    import shutil

    unpacked("key", 0, lambda folder: None)
    shutil.rmtree(cache)
    folder, _ = unpacked("key", 0, lambda folder: None)
    assert folder.exists()
    assert idle(cache) == []


def test_what_is_being_unpacked_is_not_removed(cache: Path) -> None:
    def fill(folder: Path) -> None:
        assert not removed(cache / "unpacked" / "key")

    assert unpacked("key", 0, fill)[0].exists()


def test_archives_count_against_the_cap_and_the_oldest_goes_first(cache: Path) -> None:
    homes = [left(key, 3000, used_at) for key, used_at in (("old", 1.0), ("older", 0.5))]
    put(Cache(cache, 8000), "a")
    assert [each.exists() for each in homes] == [True, True]
    put(Cache(cache, 6000), "b")
    assert [each.exists() for each in homes] == [True, False]
    assert Cache(cache, 8000).sizes()["features"]["entries"] == 2


def test_asking_again_makes_an_archive_young(cache: Path) -> None:
    homes = [left(key, 3000, used_at) for key, used_at in (("old", 1.0), ("older", 0.5))]
    left("older", 3000)
    put(Cache(cache, 6000), "a")
    assert [each.exists() for each in homes] == [False, True]


def test_an_archive_in_use_drives_nothing_out(cache: Path) -> None:
    process = other("key", 50_000)
    store = Cache(cache, 8000)
    put(store, "a", "b", "c")
    assert store.sizes()["features"]["entries"] == 3
    process.communicate("go\n")
    put(Cache(cache, 8000), "d")
    assert Cache(cache, 8000).sizes()["features"]["entries"] == 4
    assert not (cache / "unpacked" / "key").exists()


def test_a_damaged_entry_goes_first(cache: Path) -> None:
    damaged, sound = left("damaged", 5000), left("sound", 3000)
    (damaged / "entry.json").write_text("[")
    put(Cache(cache, 3500), "a")
    assert not damaged.exists()
    assert not sound.exists()
    assert Cache(cache, 3500).sizes()["features"]["entries"] == 1


def test_the_shelf_is_left_alone(cache: Path) -> None:
    (cache / "shelf").mkdir(parents=True)
    (cache / "shelf" / "x.npz").write_bytes(bytes(9000))
    store = Cache(cache, 2500)
    put(store, "a", "b")
    store.clear()
    assert (cache / "shelf" / "x.npz").exists()
    assert store.clear(data=True) == 9000


@pytest.mark.parametrize(
    ("inside", "archive"),
    [
        ("key/files", "key/files"),
        ("key/files/a/b.csv", "key/files"),
        ("key", None),
        ("key/other/x", None),
        ("../x", None),
        ("key/files/../../../x", None),
    ],
)
def test_what_came_out_of_an_archive_is_known_by_its_place(cache: Path, inside: str, archive: str | None) -> None:
    root = cache / "unpacked"
    assert archive_of(root / inside) == (None if archive is None else root / archive)
