"""Which way of computing a step is taken, and which devices there are."""

from __future__ import annotations

import math

import pytest
import torch

from keiki.core.errors import RequestError, TrainingError
from keiki.training.pace import Pace, fastest, find_device

PLAIN = Pace()


def with_cuda(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize("wanted", ["cpu", "cuda", "cuda:0", "cuda:1"])
def test_a_device_that_is_there_is_taken(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cuda(monkeypatch, 2)
    assert find_device(wanted) == wanted


@pytest.mark.parametrize("wanted", ["mps", "meta", "xpu", "xla:0", "cpu:1", "gpu", "", "cudax", "cuda:x"])
def test_other_kinds_are_refused_with_those_that_are_known(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cuda(monkeypatch, 2)
    with pytest.raises(RequestError, match=rf"no device '{wanted}'.*cpu, cuda:0, cuda:1"):
        find_device(wanted)


def test_a_number_beyond_the_last_is_refused_with_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cuda(monkeypatch, 1)
    with pytest.raises(RequestError, match=r"'cuda:1'.*cpu, cuda:0\.?$"):
        find_device("cuda:1")


def test_without_cuda_it_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cuda(monkeypatch, 0)
    with pytest.raises(RequestError, match=r"wants a CUDA device.*finds none here.*doctor"):
        find_device("cuda:0")
    with pytest.raises(RequestError, match=r"no device 'mps'.*cpu"):
        find_device("mps")


def test_a_way_that_fails_loses() -> None:
    def seconds(pace: Pace) -> float:
        if pace.precision == "bf16":
            raise TrainingError("The loss is nan.")
        return 0.5 if pace.channels_last else 1.0

    assert fastest(PLAIN, seconds, has_maps=True) == Pace(channels_last=True)
    assert fastest(PLAIN, seconds, has_maps=False) == PLAIN


def test_a_layout_that_is_of_use_in_bf16_alone_is_found() -> None:
    table = {("fp32", False): 1.0, ("fp32", True): 0.95, ("bf16", False): 0.6, ("bf16", True): 0.4}

    def seconds(pace: Pace) -> float:
        return table[pace.precision, pace.channels_last]

    assert fastest(PLAIN, seconds, has_maps=True) == Pace("bf16", channels_last=True)
    assert fastest(PLAIN, seconds, has_maps=False) == Pace("bf16")


def test_the_plain_way_that_fails_is_told() -> None:
    def seconds(pace: Pace) -> float:
        raise TrainingError("The loss is nan.")

    with pytest.raises(TrainingError, match="nan"):
        fastest(PLAIN, seconds, has_maps=True)


def test_another_bug_is_not_hidden() -> None:
    def seconds(pace: Pace) -> float:
        if pace != PLAIN:
            raise ZeroDivisionError
        return math.inf

    with pytest.raises(ZeroDivisionError):
        fastest(PLAIN, seconds, has_maps=True)
