"""Adapters behind modules of every layout: the formula, the place, copies, and where none can stand."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch import Tensor, nn

from keiki.nn.adapters import NAME, Adapter, insert_adapters


def fill(module: nn.Module) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if NAME in name or isinstance(module, Adapter):
                parameter.copy_(0.5 * torch.randn_like(parameter))


def by_hand(adapter: Adapter, states: np.ndarray) -> np.ndarray:
    """h + up(gelu(down(h))) for vectors (N, C), in float64."""
    down, up = (getattr(adapter, each) for each in ("down", "up"))
    numbers = [p.detach().double().numpy() for p in (down.weight, down.bias, up.weight, up.bias)]
    w1, b1, w2, b2 = (n.reshape(len(n), -1) if n.ndim > 1 else n for n in numbers)
    middle = states @ w1.T + b1
    out: np.ndarray = states + (middle * 0.5 * (1 + erf(middle / np.sqrt(2)))) @ w2.T + b2
    return out


@pytest.mark.parametrize(("shape", "axis"), [((4, 6), -1), ((2, 5, 6), -1), ((2, 3, 3, 6), -1), ((2, 6, 3, 4), 1)])
def test_the_formula(shape: tuple[int, ...], axis: int) -> None:
    adapter = Adapter(6, 2, axis, "a")
    states = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(adapter(states), states)
    fill(adapter)
    channels_last = states.movedim(axis, -1)
    expected = by_hand(adapter, channels_last.reshape(-1, 6).double().numpy()).reshape(channels_last.shape)
    np.testing.assert_allclose(adapter(states).detach().movedim(axis, -1).numpy(), expected, rtol=1e-5, atol=1e-5)


class Pair(nn.Module):
    """Gives a tuple, as blocks of the transformers library do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, states: Tensor) -> tuple[Tensor, str]:
        return self.fc(states), "weights"


class Told(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, states: Tensor) -> dict[str, Tensor]:
        return {"states": self.fc(states)}


class Layouts(nn.Module):
    """(B, 6, 8, 8) maps, then the same with channels last, tokens, a tuple, a dictionary, vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(inplace=True)))
        self.last = nn.Linear(6, 6)
        self.tokens = nn.Linear(6, 6)
        self.pair = Pair()
        self.told = Told()
        self.never = nn.Linear(6, 6)
        self.out = nn.Linear(6, 4)

    def forward(self, image: Tensor) -> Tensor:
        states = self.last(self.maps(image).permute(0, 2, 3, 1))
        states = self.told(self.pair(self.tokens(states.flatten(1, 2)))[0])["states"]
        found: Tensor = self.out(states.mean(dim=1))
        return found


PLACES = ("maps", "last", "tokens", "pair", "told", "never", "out")
EXAMPLE = {"image": np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)}


def adapted() -> tuple[nn.Module, list[str]]:
    torch.manual_seed(0)
    body = Layouts().eval()
    return body, insert_adapters(body, PLACES, EXAMPLE, 3)


def test_layouts_are_read_from_the_answers() -> None:
    torch.manual_seed(0)
    before = Layouts().eval()(torch.from_numpy(EXAMPLE["image"]))
    body, placed = adapted()
    assert placed == ["maps", "last", "tokens", "pair", "out"]
    assert torch.equal(body(torch.from_numpy(EXAMPLE["image"])), before)
    widths = {
        name.partition(f".{NAME}")[0]: tuple(p.shape)
        for name, p in body.named_parameters()
        if name.endswith(f"{NAME}.down.weight")
    }
    assert widths == {"maps.1.1": (2, 6, 1, 1), "last": (2, 6), "tokens": (2, 6), "pair": (2, 6), "out": (2, 4)}


def test_each_adapter_works_once_and_alone() -> None:
    body, placed = adapted()
    image = torch.from_numpy(EXAMPLE["image"])
    calls: list[Any] = []
    for module in body.modules():
        if isinstance(module, Adapter):
            module.register_forward_hook(lambda module, _, __: calls.append(module))
    before = body(image)
    assert len(calls) == len(set(calls)) == len(placed)
    for adapter in set(calls):
        with torch.no_grad():
            adapter.up.bias += 1
        assert float((body(image) - before).detach().abs().max()) > 1e-3
        with torch.no_grad():
            adapter.up.bias -= 1


def test_a_copy_has_adapters_of_its_own() -> None:
    body, _ = adapted()
    copied = copy.deepcopy(body)
    image = torch.from_numpy(EXAMPLE["image"])
    before = body(image)
    fill(copied)
    assert not torch.equal(copied(image), before)
    assert torch.equal(body(image), before)


class Square(nn.Module):
    """Maps whose three axes are equal: (B, 8, 8, 8)."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.last = last
        self.first, self.second = nn.Linear(3, 8), nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.second(self.first(image.permute(0, 2, 3, 1)))
        found: Tensor = maps.mean(dim=(1, 2))
        return found


def test_a_cube_counts_as_the_other_maps_do() -> None:
    body = Square(last=True).eval()
    insert_adapters(body, ("first", "second"), EXAMPLE, 2)
    assert isinstance(getattr(body.first, NAME).down, nn.Linear)
    alone = Square(last=True).eval()
    insert_adapters(alone, ("first",), EXAMPLE, 2)
    assert isinstance(getattr(alone.first, NAME).down, nn.Conv2d)  # nothing else says where its channels are


def test_nothing_is_drawn_from_the_global_generator() -> None:
    torch.manual_seed(0)
    body = Layouts().eval()
    state = torch.get_rng_state()
    insert_adapters(body, PLACES, EXAMPLE, 3)
    assert torch.equal(torch.get_rng_state(), state)
    first = {n: p for n, p in body.named_parameters() if NAME in n}
    again = {n: p for n, p in adapted()[0].named_parameters() if NAME in n}
    assert all(torch.equal(first[n], again[n]) for n in first)
