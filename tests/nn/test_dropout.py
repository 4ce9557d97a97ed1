"""Faster dropout: the share that is dropped, what is kept, and attention against torch's own."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.nn import functional

from keiki.nn import dropout
from keiki.nn.dropout import LEVELS, attend, drop, kept
from keiki.nn.faster import faster

Shape = tuple[int, ...]


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_it_drops_the_asked_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    found = kept(torch.empty(300_003), p)
    dropped = int((found == 0).sum())
    assert binomtest(dropped, found.numel(), p).pvalue > 1e-3
    assert found.unique().tolist() == pytest.approx([0, 1 / (1 - round(p * LEVELS) / LEVELS)])
    assert float(found.mean()) == pytest.approx(1, abs=5 * math.sqrt(p / (1 - p) / found.numel()))


def test_each_of_four_neighbours_is_dropped_alike_and_by_itself() -> None:
    torch.manual_seed(1)
    gone = (kept(torch.empty(400_000), 0.1) == 0).view(-1, 4).double()
    assert gone.mean(0).tolist() == pytest.approx([0.1] * 4, abs=5 * math.sqrt(0.09 / 100_000))
    together = torch.corrcoef(gone.T) - torch.eye(4)
    assert float(together.abs().max()) < 5 / math.sqrt(100_000)


def test_the_same_seed_drops_the_same() -> None:
    like = torch.empty(2, 5001, dtype=torch.bfloat16)
    masks = [(torch.manual_seed(seed), kept(like, 0.3))[1] for seed in (3, 3, 4)]
    assert masks[0].dtype == torch.bfloat16
    assert masks[0].shape == like.shape
    assert bool((masks[0] == masks[1]).all())
    assert not bool((masks[0] == masks[2]).all())


@pytest.mark.parametrize("options", [{"p": 0.0}, {"p": 1.0}, {"training": False}, {"inplace": True}])
def test_what_is_not_ours_is_left_to_torch(options: dict[str, Any]) -> None:
    assert drop(torch.ones(5000), **{"p": 0.5, **options}) is None
    assert drop(torch.ones(3)) is None


def test_gradients_pass_where_values_pass() -> None:
    x = torch.randn(4096, requires_grad=True)
    out = drop(x, 0.25)
    assert out is not None
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), out.detach())


def heads(*shape: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]


def masks() -> dict[str, Tensor | None]:
    open_to = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    open_to[0, :, :, 4:] = False
    return {
        "none": None,
        "of yes and no": open_to,
        "of numbers": torch.zeros(2, 1, 6, 6, dtype=torch.float64).masked_fill(~open_to, -math.inf),
        "soft": torch.linspace(-3, 2, 36, dtype=torch.float64).view(6, 6),
    }


@pytest.mark.parametrize("name", list(masks()))
@pytest.mark.parametrize("scale", [None, 0.7])
def test_attention_that_drops_nothing_is_torch_s(
    name: str, scale: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropout, "kept", lambda like, p: torch.ones_like(like))
    given, mask = heads(2, 3, 6, 4), masks()[name]
    expected = functional.scaled_dot_product_attention(*given, attn_mask=mask, scale=scale)
    found = attend(*given, attn_mask=mask, dropout_p=0.1, scale=scale)
    assert found is not None
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(out.square().sum(), given) for out in (found, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_attention_drops_weights_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    given = [each.detach() for each in heads(1, 1, 6, 4)]
    many = torch.stack([attend(*given, dropout_p=0.2) for _ in range(4000)])  # type: ignore[arg-type]
    expected = functional.scaled_dot_product_attention(*given)
    assert bool(((many.mean(0) - expected).abs() < 5 * many.std(0) / math.sqrt(4000)).all())


@pytest.mark.parametrize("options", [{"dropout_p": 0.0}, {"is_causal": True}, {"enable_gqa": True}])
def test_other_attention_is_left_to_torch(options: dict[str, Any]) -> None:
    assert attend(*heads(1, 2, 5, 4), **{"dropout_p": 0.1, **options}) is None


def test_a_query_that_sees_nothing_is_left_to_torch() -> None:
    closed = torch.zeros(5, 5, dtype=torch.bool)
    closed[1:] = True
    assert attend(*heads(1, 2, 5, 4), attn_mask=closed, dropout_p=0.1) is None


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.1)
        self.linear = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.drop(x))
        attended = functional.scaled_dot_product_attention(out, out, out, dropout_p=0.1 if self.training else 0.0)
        return self.drop(attended)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_in_training_drops_by_our_ways(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Shape] = []
    monkeypatch.setattr(dropout, "kept", lambda like, p: (seen.append(like.shape), torch.ones_like(like))[1])
    torch.manual_seed(0)
    layer, x = Layer(), torch.randn(4, 32, 64)
    low = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")
    with low:
        expected = layer.eval()(x)
    assert isinstance(faster(layer), nullcontext)
    with low, faster(layer.train()):
        found = layer(x)
    assert found.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
    torch.testing.assert_close(found, expected, **({"rtol": 0.05, "atol": 0.02} if precision == "bf16" else {}))  # type: ignore[arg-type]
    assert seen == [(4, 32, 64), (4, 32, 32), (4, 32, 64)]
