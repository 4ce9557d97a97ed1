"""1,000 damaged checkpoints: is any of them loaded as if it were sound?

    python bench/damage.py [--times 1000]      or: make damage

Each time a folder with two sound checkpoints is made, the newest is damaged in one of the ways below (in one case of
five both are), and the newest sound one is asked for. Right is the state that was saved, bit for bit, of the newest
checkpoint or the one before it, or none at all; anything else was loaded silently, and an exception that is no answer
counts as a crash. A damage may change nothing that matters (a byte of padding, a file that nobody reads): then the
newest state itself comes back, equal in every bit, which is `harmless`. Who rewrites a checkpoint and all its digests
has made a new sound one: against that no digest helps. Writes bench/results/damage.json; the same seed damages alike.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.cells import commit
from bench.tuning import code
from keiki.core.files import write_json
from keiki.core.record import Record
from keiki.training.checkpoint import Checkpoints, State

RESULTS = Path(__file__).resolve().parent / "results" / "damage.json"
IDENTITY = "0123456789abcdef" * 4
OTHER = IDENTITY[:16] + "f" * 48  # of other data or options, yet with the same folder
PAGE = 4096
BOTH = 5  # one case of so many damages both checkpoints
Generator = np.random.Generator
Damage = Callable[[Path, Path, Generator], None]
DAMAGES: dict[str, Damage] = {}


def damage(function: Damage) -> Damage:
    """Register a way to damage the checkpoint in a folder; the second folder holds the other one."""
    DAMAGES[function.__name__.replace("_", " ")] = function
    return function


@damage
def bit_flipped(folder: Path, other: Path, rng: Generator) -> None:
    path = _any_file(folder, rng)
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


@damage
def bit_of_the_values_flipped(folder: Path, other: Path, rng: Generator) -> None:
    """In the file of plain values, which is small: most flips elsewhere hit the arrays."""
    path = _values(folder)
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


@damage
def digit_changed(folder: Path, other: Path, rng: Generator) -> None:
    """The file stays JSON of the same shape."""
    path = _values(folder)
    text = path.read_text(encoding="utf-8")
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    at = places[int(rng.integers(len(places)))]
    path.write_text(text[:at] + str((int(text[at]) + 1 + int(rng.integers(9))) % 10) + text[at + 1 :], encoding="utf-8")


@damage
def cut_short(folder: Path, other: Path, rng: Generator) -> None:
    path = _any_file(folder, rng)
    data = path.read_bytes()
    path.write_bytes(data[: rng.integers(len(data))])


@damage
def grown(folder: Path, other: Path, rng: Generator) -> None:
    path = _any_file(folder, rng)
    path.write_bytes(path.read_bytes() + rng.bytes(int(rng.integers(1, PAGE))))


@damage
def page_of_zeros(folder: Path, other: Path, rng: Generator) -> None:
    """What a disk leaves where a page was never written."""
    path = _any_file(folder, rng)
    data = bytearray(path.read_bytes())
    start = PAGE * int(rng.integers(-(-len(data) // PAGE)))
    data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))
    path.write_bytes(data)


@damage
def file_of_zeros(folder: Path, other: Path, rng: Generator) -> None:
    path = _any_file(folder, rng)
    path.write_bytes(bytes(path.stat().st_size))


@damage
def file_empty(folder: Path, other: Path, rng: Generator) -> None:
    _any_file(folder, rng).write_bytes(b"")


@damage
def file_missing(folder: Path, other: Path, rng: Generator) -> None:
    _any_file(folder, rng).unlink()


@damage
def folder_empty(folder: Path, other: Path, rng: Generator) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@damage
def file_is_a_folder(folder: Path, other: Path, rng: Generator) -> None:
    path = _any_file(folder, rng)
    path.unlink()
    path.mkdir()


@damage
def file_of_the_other(folder: Path, other: Path, rng: Generator) -> None:
    """One file of this checkpoint is that of another."""
    path = _any_file(folder, rng)
    if (other / path.name).is_file():
        shutil.copy(other / path.name, path)
    else:
        path.unlink()


@damage
def values_edited(folder: Path, other: Path, rng: Generator) -> None:
    """One value is another, the digests stay."""
    content = _content(folder)
    _edit(content, rng)
    _write(folder, content)


@damage
def values_edited_and_a_digest_made_up(folder: Path, other: Path, rng: Generator) -> None:
    """One value is another, and every digest looks as if it had been computed anew."""
    content = _content(folder)
    _edit(content, rng)
    for name, value in content.items():
        if name != "identity" and isinstance(value, str) and len(value) == 64:
            content[name] = rng.bytes(32).hex()
    _write(folder, content)


@damage
def a_key_missing(folder: Path, other: Path, rng: Generator) -> None:
    content = _content(folder)
    del content[list(content)[int(rng.integers(len(content)))]]
    _write(folder, content)


@damage
def another_type(folder: Path, other: Path, rng: Generator) -> None:
    """JSON of another shape: a list, a number, nothing; or one of the keys is."""
    strange = ([], 7, None, "text", {})[int(rng.integers(5))]
    content = _content(folder)
    if rng.random() < 0.5:
        content[list(content)[int(rng.integers(len(content)))]] = strange
    _write(folder, content if rng.random() < 0.5 else strange)


@damage
def of_other_data(folder: Path, other: Path, rng: Generator) -> None:
    """A sound checkpoint of a fit on other data or with other options lies in its place."""
    content = _content(folder)
    _write(folder, {**content, "identity": OTHER})


def _any_file(folder: Path, rng: Generator) -> Path:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return files[int(rng.integers(len(files)))]


def _values(folder: Path) -> Path:
    return next(path for path in sorted(folder.iterdir()) if path.suffix == ".json")


def _content(folder: Path) -> dict[str, Any]:
    return dict(json.loads(_values(folder).read_text(encoding="utf-8")))


def _write(folder: Path, content: Any) -> None:
    _values(folder).write_text(json.dumps(content), encoding="utf-8")


def _edit(content: dict[str, Any], rng: Generator) -> None:
    """Another epoch, another stage of training, or another best score."""
    values = content["values"]
    what = int(rng.integers(3))
    if what == 0:
        values["phases_done"] += 1 + int(rng.integers(5))
    elif what == 1:
        values["inside"]["epoch"] += 1 + int(rng.integers(5))
    else:
        values["inside"]["best"] *= 0.5


def state(rng: Generator, number: int) -> State:
    """A state like that of a fit: arrays of several pages and plain values."""
    arrays: dict[str, Any] = {f"network/{i}": rng.normal(size=(32, 64)).astype(np.float32) for i in range(4)}
    arrays["head/bias"] = rng.normal(size=7)
    inside = {"epoch": number, "position": 0, "curve": [{"epoch": 0.0, "validation_loss": float(rng.random())}]}
    inside |= {"best": float(rng.random()), "waited": 0, "steps": [[3, 3]]}
    return State(arrays, {"phases_done": 2, "inside": inside, "model": {"transform": "squash-224", "facts": {}}})


def same(one: State, other: State) -> bool:
    """Equal in every bit."""
    arrays = one.arrays.keys() == other.arrays.keys() and all(
        one.arrays[n].dtype == other.arrays[n].dtype
        and one.arrays[n].shape == other.arrays[n].shape
        and one.arrays[n].tobytes() == other.arrays[n].tobytes()
        for n in one.arrays
    )
    return arrays and one.values == other.values


def once(number: int) -> tuple[str, str, str]:
    """One damage: what was done, what came of it, and more about it where it is not as it should be.

    'older used': the one before it was taken. 'none used': both were damaged and none was. 'harmless': the newest is
    still equal in every bit. 'loaded silently' and 'crashed' are failures.
    """
    rng = np.random.default_rng([4, number])
    name = list(DAMAGES)[number % len(DAMAGES)]
    with tempfile.TemporaryDirectory() as place:
        events: list[dict[str, Any]] = []
        checkpoints = Checkpoints(Path(place), IDENTITY, Record(listeners=(events.append,)))
        older, newer = state(rng, 3), state(rng, 4)
        for at, each in enumerate((older, newer), start=1):
            checkpoints.save(at, each.arrays, each.values)
        folders = sorted(path for path in checkpoints.folder.iterdir() if path.is_dir())
        DAMAGES[name](folders[1], folders[0], rng)
        both = (number // len(DAMAGES)) % BOTH == BOTH - 1
        if both:
            bit_flipped(folders[0], folders[1], rng)
        try:
            found = checkpoints.newest()
        except Exception as problem:
            return name, "crashed", f"{type(problem).__name__}: {problem}"
        told = sum(event["event"].startswith("checkpoint ") for event in events)
    return name, *_outcome(found, older, newer, both, told)


def _outcome(found: State | None, older: State, newer: State, both: bool, told: int) -> tuple[str, str]:
    if found is None:
        return ("none used", "") if both else ("lost", "a sound one was there")
    if same(found, newer):
        return "harmless", ""
    if not same(found, older):
        return "loaded silently", f"values {json.dumps(found.values)[:200]}"
    return ("older used", "") if told else ("not told", "the older one was used without a word")


BAD = ("loaded silently", "crashed", "lost", "not told")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    start = time.perf_counter()
    found = [once(number) for number in range(options.times)]
    outcomes = Counter(outcome for _, outcome, _ in found)
    by_damage = {name: dict(Counter(outcome for each, outcome, _ in found if each == name)) for name in DAMAGES}
    bad = [{"number": n, "damage": d, "outcome": o, "more": m} for n, (d, o, m) in enumerate(found) if o in BAD]
    facts: Mapping[str, Any] = {"schema": 1, "times": options.times, "code": code(), "commit": commit()}
    seconds = round(time.perf_counter() - start, 1)
    write_json(
        options.out, {**facts, "outcomes": dict(outcomes), "by_damage": by_damage, "bad": bad, "seconds": seconds}
    )
    print(f"{options.times} damaged checkpoints in {seconds:.1f} s: {dict(outcomes)}")
    for each in bad[:10]:
        print(f"  number {each['number']}, {each['damage']}: {each['outcome']}; {each['more']}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
