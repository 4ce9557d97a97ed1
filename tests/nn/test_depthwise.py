"""Faster gradients of depthwise convolutions are those of torch, on every geometry, layout and precision."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from keiki.nn import depthwise
from keiki.nn.depthwise import input_gradient, weight_gradient
from keiki.nn.faster import faster

GEOMETRIES = [
    # kernel, stride, padding, size of the map
    ((5, 5), (1, 1), (2, 2), (7, 7)),
    ((5, 5), (2, 2), (0, 0), (17, 17)),
    ((3, 3), (2, 2), (1, 1), (8, 9)),
    ((7, 7), (1, 1), (3, 3), (6, 10)),
    ((5, 3), (2, 1), (1, 2), (11, 8)),
    ((3, 3), (1, 1), (1, 1), (5, 5)),
    ((4, 4), (4, 4), (0, 0), (14, 13)),
    ((5, 5), (3, 2), (2, 0), (16, 15)),
]


def convolution(kernel: Any, stride: Any, padding: Any, channels: int = 6, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=bias)


def answers(layer: nn.Module, x: Tensor, how: Any) -> tuple[Tensor, list[Tensor]]:
    """What the layer answers, and the gradients of a sum of it for the input and all weights."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    with how:
        out = layer(x)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2)).to(out.dtype)
    return out.detach(), list(torch.autograd.grad((out * weights).sum(), [x, *layer.parameters()]))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels last"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_gradients_are_those_of_torch(geometry: Any, layout: torch.memory_format) -> None:
    *shape, size = geometry
    layer = convolution(*shape).double().to(memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(3, 6, *size, dtype=torch.float64).contiguous(memory_format=layout)
    plain, expected = answers(layer, x, nullcontext())
    ours, found = answers(layer, x, faster(layer))
    assert bool((ours == plain).all())
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_each_identity_holds_by_itself(geometry: Any) -> None:
    kernel, stride, padding, size = geometry
    layer = convolution(kernel, stride, padding, bias=False).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    out = layer(x)
    gradient = torch.randn_like(out)
    of_x, of_weight = torch.autograd.grad(out, [x, layer.weight], gradient)
    torch.testing.assert_close(input_gradient(gradient, layer.weight, size, stride, padding), of_x)
    torch.testing.assert_close(weight_gradient(x, gradient, kernel, stride, padding), of_weight)


@pytest.mark.parametrize("geometry", GEOMETRIES[:3], ids=str)
def test_in_bfloat16_they_are_as_near_to_the_exact_ones_as_torch_s(geometry: Any) -> None:
    *shape, size = geometry
    layer, x = convolution(*shape), torch.randn(3, 6, *size)
    _, exact = answers(layer, x, nullcontext())
    errors = []
    for fast in (True, False):
        with faster(layer) if fast else nullcontext():
            out, found = answers(layer, x, torch.autocast("cpu", dtype=torch.bfloat16))
        assert out.dtype == torch.bfloat16
        assert [gradient.dtype for gradient in found] == [torch.float32] * 3
        errors.append(
            [float((mine - true).abs().max() / true.abs().max()) for mine, true in zip(found, exact, strict=True)]
        )
    for ours, theirs in zip(*errors, strict=True):
        assert ours < max(2 * theirs, 0.01)


def test_second_derivatives_go_through() -> None:
    layer = convolution((5, 5), (2, 2), (1, 1), channels=2).double()
    x = torch.randn(2, 2, 7, 7, dtype=torch.float64, requires_grad=True)

    def answer(x: Tensor, weight: Tensor) -> Tensor:
        with faster(layer):
            return torch.conv2d(x, weight, None, 2, 1, 1, 2)

    assert torch.autograd.gradgradcheck(answer, (x, layer.weight.detach().requires_grad_()))


def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Filled by every weight gradient that is ours."""
    seen: list[Any] = []
    original = weight_gradient
    monkeypatch.setattr(depthwise, "weight_gradient", lambda *args: (seen.append(args), original(*args))[1])
    return seen


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 5, padding=2),
        nn.Conv2d(6, 6, 5, padding=2, groups=3),
        nn.Conv2d(6, 12, 5, padding=2, groups=6),
        nn.Conv2d(6, 6, 5, padding="same", groups=6),
        nn.Conv2d(6, 6, 5, padding=4, dilation=2, groups=6),
    ],
)
def test_what_is_not_depthwise_stays_torch_s(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, x = calls(monkeypatch), torch.randn(2, 6, 9, 9)
    expected = answers(layer, x, nullcontext())[1]
    network = nn.Sequential(layer, convolution(3, 1, 1, channels=layer.out_channels))  # type: ignore[arg-type]
    found = answers(layer, x, faster(network))[1]
    assert not seen
    assert all(bool((mine == theirs).all()) for mine, theirs in zip(found, expected, strict=True))


def test_a_network_without_any_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(faster(nn.Linear(3, 2)), nullcontext)
    seen = calls(monkeypatch)
    layer = convolution((5, 5), (1, 1), (2, 2))
    answers(layer, torch.randn(2, 6, 7, 7), faster(layer))
    assert len(seen) == 1
    with torch.no_grad(), faster(layer):
        layer(torch.randn(2, 6, 7, 7))
    assert len(seen) == 1


def test_frozen_parts_get_no_gradient() -> None:
    layer = convolution((5, 5), (1, 1), (2, 2))
    layer.weight.requires_grad_(False)
    x = torch.randn(2, 6, 7, 7)
    with faster(layer):
        layer(x).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias is not None
    torch.testing.assert_close(layer.bias.grad, torch.full((6,), 2.0 * 7 * 7))
