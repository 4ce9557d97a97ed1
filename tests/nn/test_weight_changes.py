"""Changes on weights: which layers there are, exact merging, copies that stand on their own."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from keiki.nn.low_rank import LowRank
from keiki.nn.scaling import scale_and_shift
from keiki.nn.weight_changes import Layer, layers, merge, plain_name


class Network(nn.Module):
    """One of each: convolution, grouped convolution, norms, attention, linear, and what must be left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 8)
        self.conv = nn.Conv1d(8, 8, 3, padding=1, bias=False)
        self.grouped = nn.Conv1d(8, 8, 3, padding=1, groups=4)
        self.norm = nn.BatchNorm1d(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.wide = nn.MultiheadAttention(8, 2, kdim=6, vdim=5, batch_first=True)
        self.after = nn.LayerNorm(8)
        self.born = parametrizations.weight_norm(nn.Linear(8, 8))
        self.twin = nn.Linear(8, 7, bias=False)
        self.twin.weight = self.words.weight
        self.out = nn.Linear(8, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        states = self.words(ids).transpose(1, 2)
        states = self.norm(self.grouped(torch.relu(self.conv(states)))).transpose(1, 2)
        states = states + self.attention(states, states, states, need_weights=False)[0]
        states = states + self.wide(states, states[..., :6], states[..., :5], need_weights=False)[0]
        found: torch.Tensor = self.out(self.born(self.after(states)).mean(dim=1))
        return found


def network() -> Network:
    torch.manual_seed(0)
    return Network().eval()


def all_layers(body: nn.Module) -> list[Layer]:
    return layers(body, {name for name, _ in body.named_parameters()})


def stir(body: nn.Module) -> None:
    """Give every change a value of its own."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in body.named_parameters():
            if "parametrizations" in name and not name.rpartition(".")[2].startswith("original"):
                parameter.copy_(0.3 * torch.randn_like(parameter))


def change(body: nn.Module) -> None:
    for layer in all_layers(body):
        if not layer.is_norm:
            layer.change(layer.weight, LowRank(layer, 2, 4.0))
        else:
            scale_and_shift(layer)


IDS = torch.arange(14).reshape(2, 7) % 7


def test_layers_are_found_with_their_biases() -> None:
    found = {layer.name: (layer.bias, layer.groups, layer.is_norm, layer.matrix) for layer in all_layers(network())}
    assert found == {
        "conv": ("", 1, False, (8, 24)),
        "grouped": ("bias", 4, False, (2, 6)),
        "norm": ("bias", 1, True, (8, 1)),
        "attention.in_proj_weight": ("in_proj_bias", 1, False, (24, 8)),
        "attention.out_proj": ("bias", 1, False, (8, 8)),
        "wide.q_proj_weight": ("", 1, False, (8, 8)),
        "wide.k_proj_weight": ("", 1, False, (8, 6)),
        "wide.v_proj_weight": ("", 1, False, (8, 5)),
        "wide.out_proj": ("bias", 1, False, (8, 8)),
        "after": ("bias", 1, True, (8, 1)),
        "out": ("bias", 1, False, (5, 8)),
    }  # not the embedding, not the linear layer that shares its weight, not what is computed already


def test_only_named_weights_are_found() -> None:
    assert [layer.name for layer in layers(network(), {"out.weight", "after.bias"})] == ["out"]
    alone = nn.Linear(2, 3)
    assert [layer.name for layer in layers(alone, {"weight"})] == [""]


def test_nothing_changes_at_first() -> None:
    body = network()
    before = body(IDS)
    change(body)
    assert torch.equal(body(IDS), before)


def test_merged_and_unmerged_answer_the_same_bits() -> None:
    body = network()
    plain = set(body.state_dict())
    before = body(IDS)
    change(body)
    stir(body)
    unmerged = body(IDS)
    assert float((unmerged - before).detach().abs().max()) > 0.1
    merge(body)
    assert torch.equal(body(IDS), unmerged)
    assert set(body.state_dict()) == plain
    assert {type(module).__name__ for module in body.modules()} == {
        type(module).__name__ for module in network().modules()
    }


def test_merging_a_copy_leaves_the_original_as_it_was() -> None:
    body = network()
    change(body)
    stir(body)
    names, answers = list(body.state_dict()), body(IDS)
    copied = copy.deepcopy(body)
    merge(copied)
    assert torch.equal(copied(IDS), answers)
    assert torch.equal(body(IDS), answers)
    assert list(body.state_dict()) == names
    merge(body)
    assert torch.equal(body(IDS), answers)


def test_gradients_reach_the_changes_alone() -> None:
    body = network()
    change(body)
    stir(body)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_("parametrizations" in name and "original" not in name)
    body(IDS).square().sum().backward()
    moving = {name: p.grad for name, p in body.named_parameters() if p.requires_grad}
    assert len(moving) == 9 * 2 + 2 * 2
    assert all(grad is not None and bool(grad.abs().max() > 0) for grad in moving.values())


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("body.fc.parametrizations.weight.original", "body.fc.weight"),
        ("fc.parametrizations.in_proj_weight.0.A", "fc.in_proj_weight"),
        ("parametrizations.weight.0.A", "weight"),
        ("body.fc.keiki_adapter.down.weight", "body.fc.keiki_adapter.down.weight"),
    ],
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain
