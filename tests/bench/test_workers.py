"""Work side by side: a core each, every cell once, nothing begun that is not allowed."""

import os

import pytest

from bench.workers import THREADS, cores, side_by_side


def test_every_process_has_a_core_of_its_own(monkeypatch):
    monkeypatch.setenv(THREADS[0], "7")
    found = [answer for _, answer in side_by_side(os.sched_getaffinity, [0] * 6, lambda cell: True)]
    assert len(found) == 6
    assert {len(each) for each in found} == {1}
    assert set.union(*found) <= set(cores())
    assert os.environ[THREADS[0]] == "7"


def test_each_cell_is_done_once_with_one_thread():
    names = [*THREADS, "NOT_THERE_AT_ALL"]
    found = dict(side_by_side(os.getenv, names, lambda cell: True, jobs=1))
    assert found == {**dict.fromkeys(THREADS, "1"), "NOT_THERE_AT_ALL": None}


def test_it_stops_before_what_is_not_allowed():
    asked = []

    def allows(cell):
        asked.append(cell)
        return cell != "c"

    found = dict(side_by_side(len, ["a", "bb", "c", "dddd"], allows, jobs=1))
    assert found == {"a": 1, "bb": 2}
    assert asked == ["a", "bb", "c"]


def test_what_fails_in_a_process_fails_here():
    with pytest.raises(TypeError):
        list(side_by_side(len, [3], lambda cell: True, jobs=1))
