"""Cells measured side by side: a process a core, each with one thread, so that none waits for another."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.queues import Queue
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def side_by_side(
    work: Callable[[Any], Any], cells: Sequence[Any], allows: Callable[[Any], bool], jobs: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """(cell, work(cell)) as they are done, in `jobs` processes (as many as cores), each begun only if `allows(cell)`.

    `work` is a function of a module: a new process imports it anew, and keeps what it keeps from cell to cell. Stops at
    the first cell that is not allowed, when those under way are done.
    """
    free = cores()[:jobs]
    context = multiprocessing.get_context("spawn")
    seats: Queue[int] = context.Queue()
    for core in free:
        seats.put(core)
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ |= dict.fromkeys(THREADS, "1")  # read by the libraries when a process begins
    waiting = iter(cells)
    running: dict[Future[Any], Any] = {}
    try:
        with ProcessPoolExecutor(len(free), context, _sit, (seats,)) as pool:
            while True:
                while len(running) < len(free) and (cell := next(waiting, None)) is not None:
                    if not allows(cell):
                        waiting = iter(())
                        break
                    running[pool.submit(work, cell)] = cell
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
    finally:
        os.environ |= {name: value for name, value in before.items() if value is not None}
        for name in (name for name, value in before.items() if value is None):
            del os.environ[name]


def _sit(seats: Queue[int]) -> None:
    """Take a core of one's own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {seats.get()})
