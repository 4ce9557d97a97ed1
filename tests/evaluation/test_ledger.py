"""No look is lost, whoever looks at the same time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from keiki.evaluation.ledger import Ledger

LOOK = """
import sys, pathlib
from keiki.evaluation.ledger import Ledger
for _ in range(20):
    Ledger(pathlib.Path(sys.argv[1])).look("d", "run", "fit")
"""


def test_looks_are_counted_by_test_set_over_all_runs(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "looks.jsonl"
    assert Ledger(path).looks("d") == 0
    assert [Ledger(path).look("d", f"runs/é-{k}", "fit") for k in range(3)] == [1, 2, 3]
    assert Ledger(path).look("other", "runs/x", "evaluate") == 1
    assert Ledger(path).looks("d") == 3


def test_two_processes_lose_no_look(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    both = [subprocess.Popen([sys.executable, "-c", LOOK, str(path)], cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    assert Ledger(path).looks("d") == 40


def test_every_look_gets_a_number_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda k: Ledger(path).look("d", str(k), "fit"), range(40)))
    assert sorted(numbers) == list(range(1, 41))


def test_a_line_that_was_cut_off_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    Ledger(path).look("d", "a", "fit")
    with path.open("a") as file:
        file.write('{"test": "d", "ru')
    assert Ledger(path).look("d", "b", "fit") == 2
    assert Ledger(path).looks("d") == 2
