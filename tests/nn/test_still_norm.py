"""A still BatchNorm folded into the convolution before it answers and learns as torch's two do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from keiki.nn import still_norm
from keiki.nn.faster import faster, may_fold

CONVOLUTIONS: dict[str, Callable[[], nn.Conv2d]] = {
    "3x3": lambda: nn.Conv2d(6, 8, 3, padding=1, bias=False),
    "with bias": lambda: nn.Conv2d(6, 8, 3),
    "strided": lambda: nn.Conv2d(6, 8, (3, 2), stride=(2, 1), padding=(0, 1)),
    "dilated": lambda: nn.Conv2d(6, 8, 3, dilation=2, padding=2),
    "in groups": lambda: nn.Conv2d(6, 12, 3, groups=3),
    "depthwise": lambda: nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False),
    "pointwise": lambda: nn.Conv2d(6, 8, 1),
    "padding by name": lambda: nn.Conv2d(6, 8, 3, padding="same"),
}


class Stack(nn.Module):
    """A convolution in which gradients begin, and the pair under test behind it."""

    def __init__(self, convolution: nn.Conv2d, *, affine: bool = True) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(self.norm(self.convolution(self.first(x))), inplace=True)


def stack(convolution: nn.Conv2d | None = None, kind: type[Stack] = Stack, **options: Any) -> Stack:
    """In double precision, with statistics, scales and shifts that are not those of birth."""
    torch.manual_seed(3)
    network = kind(convolution or nn.Conv2d(6, 8, 3), **options).double()
    for tensor in (network.norm.running_mean, network.norm.weight, network.norm.bias):
        if tensor is not None:
            nn.init.normal_(tensor)
    nn.init.uniform_(network.norm.running_var, 0.5, 2.0)
    return network.eval()


def picture(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(4, 3, 11, 9, dtype=dtype, generator=torch.Generator().manual_seed(4))


def answers(network: nn.Module, how: Any, x: Tensor | None = None) -> tuple[Tensor, list[Tensor | None]]:
    """What the network answers, and the gradients of a sum of it."""
    with how:
        out = network(picture() if x is None else x)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2)).to(out.dtype)
    moving = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return out.detach(), list(torch.autograd.grad((out * weights).sum(), moving, allow_unused=True))


def assert_same(network: nn.Module, x: Tensor | None = None) -> None:
    plain, expected = answers(network, nullcontext(), x)
    ours, found = answers(network, faster(network), x)
    torch.testing.assert_close([ours, *found], [plain, *expected], rtol=1e-9, atol=1e-9)


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Filled by every pair that is folded."""
    seen: list[Any] = []
    original = still_norm._Put.normed
    monkeypatch.setattr(still_norm._Put, "normed", lambda *args: (seen.append(args), original(*args))[1])
    return seen


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels last"])
@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_answers_and_gradients_are_those_of_torch(
    name: str, affine: bool, layout: torch.memory_format, folds: list[Any]
) -> None:
    network = stack(CONVOLUTIONS[name](), affine=affine).to(memory_format=layout)  # type: ignore[call-overload]
    assert_same(network, picture().contiguous(memory_format=layout))
    assert len(folds) == (name != "padding by name")


def test_bfloat16_is_as_near_to_the_exact_gradients_as_torch_s(folds: list[Any]) -> None:
    network = stack().float()
    _, exact = answers(network, nullcontext(), picture(torch.float32))
    errors = []
    for fold in (True, False):
        with faster(network, fold=fold):
            out, found = answers(network, torch.autocast("cpu", dtype=torch.bfloat16), picture(torch.float32))
        assert out.dtype == torch.bfloat16
        errors.append([float((a - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True)])  # type: ignore[operator]
    assert len(folds) == 1
    assert max(errors[0]) < max(2 * max(errors[1]), 0.02)


class Skip(Stack):
    """The map goes on beside its norm too."""

    def forward(self, x: Tensor) -> Tensor:
        found = self.convolution(self.first(x))
        return torch.cat([self.norm(found), found.tanh()], dim=1) + found.mean()


class Late(Stack):
    """The map has been folded when it is asked for."""

    def forward(self, x: Tensor) -> Tensor:
        found = self.convolution(self.first(x))
        normed = self.norm(found)
        with torch.no_grad():
            scale = found.abs().max()
        return normed * scale + found


class Twice(Stack):
    """Two norms behind one convolution, and one convolution that is called twice."""

    def forward(self, x: Tensor) -> Tensor:
        found = self.convolution(self.first(x))
        return self.norm(found) * self.norm(self.convolution(self.first(x + 1))) + self.norm(found)


@pytest.mark.parametrize("kind", [Skip, Late, Twice])
def test_a_map_that_goes_elsewhere_too_is_the_map(kind: type[Stack], folds: list[Any]) -> None:
    assert_same(stack(kind=kind))
    assert folds


def test_who_watches_the_convolution_sees_its_map() -> None:
    network, seen = stack(), []
    network.convolution.register_forward_hook(lambda module, args, output: seen.append(output))

    def loss() -> Tensor:
        answer: Tensor = network(picture())
        return answer.square().mean() + seen[-1].square().mean()

    moving = list(network.parameters())
    with faster(network):
        found = torch.autograd.grad(loss(), moving)
    torch.testing.assert_close(found, torch.autograd.grad(loss(), moving), rtol=1e-9, atol=1e-9)
    assert may_fold(network, loss)


class _Double(torch.autograd.Function):
    """An operation that torch's functions do not show."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * 2


class Hidden(Stack):
    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(_Double.apply(self.convolution(self.first(x))))  # type: ignore[no-untyped-call]
        return found


def test_a_network_whose_maps_go_where_nobody_looks_is_left_alone() -> None:
    assert may_fold(stack(), lambda: stack()(picture()).square().mean()) is True
    network = stack(kind=Hidden)
    assert may_fold(network, lambda: network(picture()).square().mean()) is False
    plain = answers(network, nullcontext())[1]
    torch.testing.assert_close(answers(network, faster(network, fold=False))[1], plain)


def test_what_cannot_work_with_a_stand_in_is_left_alone() -> None:
    network, calls = stack(), []

    def loss() -> Tensor:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a map must lie in memory as maps do")
        answer: Tensor = network(picture()).sum()
        return answer

    assert may_fold(network, loss) is False


def test_a_loss_that_is_no_number_is_no_reason_to_fold() -> None:
    network = stack()
    assert may_fold(network, lambda: network(picture()).sum() * torch.nan) is False


def test_only_what_stands_still_and_pays_is_folded(folds: list[Any]) -> None:
    network = stack()
    network.norm.train()
    assert isinstance(faster(network), nullcontext)
    assert may_fold(network, lambda: network(picture()).sum()) is False
    network.eval()
    with torch.no_grad(), faster(network):
        network(picture())
    network.first.requires_grad_(False)
    network.convolution.requires_grad_(False)
    assert_same(network)  # all before the norm is frozen: what is kept of it is computed in the same way
    network.first.requires_grad_(True)
    assert_same(network)  # the scale moves, the convolution does not
    assert not folds
    network.norm.requires_grad_(False)
    assert_same(network)
    assert len(folds) == 1


def test_vectors_and_single_maps_pass() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(0), nn.Unflatten(0, (1, -1)), nn.BatchNorm1d(252)).double()
    assert_same(network.eval(), picture()[0])
