"""How a step is computed: precision, memory layout, threads, device, and in how many pieces a batch."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import torch
from torch import nn

from keiki.core.errors import RequestError, TrainingError

CLEARLY = 1.1  # another pace is taken only where it is faster by this factor: noise must not decide


@dataclass(frozen=True)
class Pace:
    """One way of computing steps; another one gives other last bits, so it belongs to the plan of a run.

    precision: fp32, or bf16 for autocast. channels_last: layout of pictures and of the weights of convolutions.
    pieces: a batch is computed in so many parts whose gradients add up (where memory is short).
    """

    precision: str = "fp32"
    channels_last: bool = False
    threads: int = 1
    device: str = "cpu"
    pieces: int = 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def place(self, network: nn.Module) -> None:
        """Bring the network to the device and into the layout of this pace."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        network.to(device=self.device, memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it

    def autocast(self) -> AbstractContextManager[Any]:
        """What the forward pass runs in."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """torch's own number of threads is set, and put back after."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def fastest(plain: Pace, seconds: Callable[[Pace], float], *, has_maps: bool, worth: float = 0.0) -> Pace:
    """The fastest way of computing a step, by two timed steps of each: `plain`, one thread, bf16, channels_last.

    seconds(pace): what a step takes on a throw-away network. Anything but `plain` must be faster by a tenth; nothing
    else is tried where `plain` takes less than `worth` seconds a step. has_maps: whether there are pictures' layouts.
    Raises TrainingError where `plain` cannot train; another way that cannot only loses.
    """
    best, cost = plain, seconds(plain)
    if cost < worth:
        return plain
    changes: list[dict[str, Any]] = [{"threads": 1}] if plain.threads > 1 else []  # beside a busy process one is faster
    changes += [{"precision": "bf16"}]
    changes += [{"channels_last": True}] if has_maps else []  # of more use in bf16, so it comes after it
    for change in changes:
        other = replace(best, **change)
        found = _seconds_or_never(seconds, other)
        if found * CLEARLY < cost:
            best, cost = other, found
    return best


def _seconds_or_never(seconds: Callable[[Pace], float], pace: Pace) -> float:
    try:
        return seconds(pace)
    except TrainingError:  # it diverges or wants more memory than there is: no way to train
        return math.inf


def find_device(wanted: str) -> str:
    """The device that was asked for; raises RequestError where this machine has none, with those that it has."""
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise RequestError(
            f"--device {wanted} wants a CUDA device, but torch {torch.__version__} finds none here.",
            hint="Leave it out to train on the CPU, or check the driver and the build of torch: keiki doctor",
        )
    there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if wanted not in (*there, "cuda"):
        raise RequestError(f"There is no device '{wanted}' to train on.", hint=f"There are: {', '.join(there)}.")
    return wanted
