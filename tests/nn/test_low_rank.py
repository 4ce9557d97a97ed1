"""LoRA's update by hand, group by group, and as peft computes it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from keiki.engines.torchvision_guard import ensure
from keiki.nn.low_rank import LowRank, fits
from keiki.nn.weight_changes import Layer, layers, merge


def layer(module: nn.Module) -> Layer:
    (found,) = layers(module, {"weight"})
    return found


def filled(change: LowRank) -> LowRank:
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in change.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
    return change


def by_hand(weight: np.ndarray, a: np.ndarray, b: np.ndarray, groups: int, scaling: float) -> np.ndarray:
    """W0 + scaling * B A, entry by entry: row o of group g meets rows g * rank ... of A."""
    rank = b.shape[1]
    flat = weight.reshape(len(weight), -1).copy()
    for o in range(flat.shape[0]):
        group = o // (len(weight) // groups)
        for i in range(flat.shape[1]):
            flat[o, i] += scaling * sum(b[o, r] * a[group * rank + r, i] for r in range(rank))
    return flat.reshape(weight.shape)


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(5, 4),
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(3, 4, 1, stride=2, bias=False),
        nn.Conv2d(6, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv1d(4, 8, 5),
    ],
    ids=str,
)
def test_the_weight_is_what_the_formula_says(module: nn.Module) -> None:
    target = layer(module)
    before = target.tensor.detach().numpy().copy()
    change = filled(LowRank(target, 2, 6.0))
    target.change("weight", change)
    a, b = change.A.detach().numpy(), change.B.detach().numpy()
    expected = by_hand(before, a, b, target.groups, 6.0 / 2)
    np.testing.assert_allclose(target.tensor.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_change_of_each_group_has_the_rank() -> None:
    module = nn.Conv2d(8, 8, 3, groups=2)
    target = layer(module)
    before = target.tensor.detach().clone()
    target.change("weight", filled(LowRank(target, 3, 3.0)))
    delta = (target.tensor - before).detach().reshape(2, 4, -1)
    assert [int(torch.linalg.matrix_rank(each, rtol=1e-5)) for each in delta] == [3, 3]


def test_the_gradient_is_that_of_finite_differences() -> None:
    module = nn.Conv2d(2, 4, 2, groups=2).double()
    target = layer(module)
    change = filled(LowRank(target, 2, 3.0))
    original = target.tensor.detach().clone()

    def function(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(change, {"A": a, "B": b}, (original,))
        return found

    inputs = (change.A.detach().requires_grad_(), change.B.detach().requires_grad_())
    assert torch.autograd.gradcheck(function, inputs)


def test_a_is_drawn_by_name_and_within_its_bound() -> None:
    first = LowRank(Layer("fc", nn.Linear(400, 300), "weight", "bias", 1, False), 8, 16.0)
    state = torch.get_rng_state()
    module = nn.Linear(400, 300)
    torch.set_rng_state(state)
    again = LowRank(Layer("fc", module, "weight", "bias", 1, False), 8, 16.0)
    other = LowRank(Layer("fc2", module, "weight", "bias", 1, False), 8, 16.0)
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn from the global generator
    assert torch.equal(first.A, again.A)
    assert not torch.equal(first.A, other.A)
    assert not first.B.any()
    a = first.A.detach().numpy()
    bound = 1 / math.sqrt(400)
    assert np.abs(a).max() <= bound
    assert a.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)  # of a uniform distribution


@pytest.mark.parametrize(("rank", "fitting"), [(1, True), (3, True), (4, False)])
def test_what_fits_is_no_larger_than_the_weight(rank: int, fitting: bool) -> None:
    target = layer(nn.Conv2d(2, 6, 2, groups=1))  # 6 x 8
    assert fits(target, rank) is fitting
    assert (sum(p.numel() for p in LowRank(target, rank, 1.0).parameters()) <= 48) is fitting


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.point = nn.Conv2d(8, 12, 1, bias=False)
        self.fc = nn.Linear(12, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.point(torch.relu(self.conv(image))))
        found: torch.Tensor = self.fc(maps.mean(dim=(2, 3)))
        return found


def test_equal_to_peft_for_linear_layers_and_convolutions() -> None:
    ensure()
    import peft

    torch.manual_seed(0)
    ours, base = Small(), Small()
    base.load_state_dict(ours.state_dict())
    names = ["conv", "point", "fc"]
    theirs = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=10, target_modules=names, lora_dropout=0.0))
    for target in layers(ours, {f"{name}.weight" for name in names}):
        change = filled(LowRank(target, 4, 10.0))
        target.change("weight", change)
        twin = base.get_submodule(target.name)
        with torch.no_grad():
            for factor, own in (("lora_A", change.A), ("lora_B", change.B)):
                weight = getattr(twin, factor)["default"].weight
                weight.copy_(own.reshape(weight.shape))
    images = torch.randn(5, 3, 16, 16)
    difference = (ours(images) - theirs(images)).detach().abs().max()
    assert float(difference) <= 1e-5 * float(ours(images).detach().abs().max())
    numbers = sum(p.numel() for module in ours.modules() if isinstance(module, LowRank) for p in module.parameters())
    assert numbers == theirs.get_nb_trainable_parameters()[0]
    merge(ours)
    merged = theirs.merge_and_unload().state_dict()
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, merged[name], rtol=1e-5, atol=1e-5)
