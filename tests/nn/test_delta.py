"""DELTA's distance against a slow loop; its attention against finite steps and against channels really zeroed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr, zscore
from torch import Tensor, nn

from keiki.core.errors import TrainingError
from keiki.nn.delta import attention, map_distance, rises_without
from keiki.nn.maps import positions_and_channels, recorded
from keiki.testing.tiny_networks import TinyConvolutions, TinyWords

CONVOLUTIONS = {"stem": "stem", "blocks.0": "blocks.0", "blocks.1": "blocks.1"}


def slow_distance(ours: np.ndarray, theirs: np.ndarray, weights: np.ndarray) -> float:
    """Li et al. 2019, equation 6, over C maps (H, W), C / (H W) as in their code; the mean over items."""
    n_items, n_channels, height, width = ours.shape
    total = 0.0
    for i in range(n_items):
        for c in range(n_channels):
            squared = sum((ours[i, c, h, w] - theirs[i, c, h, w]) ** 2 for h in range(height) for w in range(width))
            total += weights[c] * n_channels / (height * width) * squared
    return total / n_items


@pytest.fixture
def two_maps() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 5, 4, 4)), rng.normal(size=(3, 5, 4, 4))


def test_distance_against_the_slow_loop_in_both_layouts(two_maps: tuple[np.ndarray, np.ndarray]) -> None:
    ours, theirs = two_maps
    weights = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    wanted = slow_distance(ours, theirs, weights)
    for axes in ((0, 1, 2, 3), (0, 2, 3, 1)):
        a, b = (torch.from_numpy(each.transpose(axes).copy()) for each in two_maps)
        assert map_distance(a, b, torch.from_numpy(weights)).item() == pytest.approx(wanted, rel=1e-5)


def test_uniform_attention_is_the_mean_squared_error_times_the_channels(
    two_maps: tuple[np.ndarray, np.ndarray],
) -> None:
    a, b = (torch.from_numpy(each) for each in two_maps)
    wanted = 5 * nn.functional.mse_loss(a, b).item()
    assert map_distance(a, b).item() == pytest.approx(wanted, rel=1e-5)
    assert map_distance(a, b, torch.full((5,), 0.2)).item() == pytest.approx(wanted, rel=1e-5)
    assert map_distance(a, a).item() == 0.0
    doubled = map_distance(torch.cat([a, a]), torch.cat([b, b])).item()
    assert doubled == pytest.approx(map_distance(a, b).item(), rel=1e-6)


def test_padding_does_not_count() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (torch.from_numpy(rng.normal(size=(2, 6, 3))) for _ in range(2))
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]])
    found = map_distance(ours, theirs, mask=mask).item()
    alone = [map_distance(ours[:1], theirs[:1]).item(), map_distance(ours[1:, :2], theirs[1:, :2]).item()]
    assert found == pytest.approx(np.mean(alone), rel=1e-6)
    assert map_distance(ours[:, 0], theirs[:, 0], mask=mask).item() == pytest.approx(
        (ours[:, 0] - theirs[:, 0]).square().sum(dim=1).mean().item(), rel=1e-5
    )


def test_attention_is_a_softmax_of_z_scores() -> None:
    rises = np.random.default_rng(0).normal(size=9)
    powers = np.exp(zscore(rises) / 5)
    found = attention(torch.from_numpy(rises))
    np.testing.assert_allclose(found.numpy(), powers / powers.sum(), rtol=1e-9)
    np.testing.assert_allclose(attention(torch.full((4,), 0.3)).numpy(), 0.25)


def problem(kind: str) -> tuple[nn.Module, nn.Linear, dict[str, Tensor], Tensor, dict[str, str]]:
    """A frozen body, a head that fits labels a little, one batch."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(24) % 3
    head = nn.Linear(16, 3).double()
    if kind == "image":
        body: nn.Module = TinyConvolutions(1)
        inputs = {"image": torch.randn(24, 3, 32, 32, generator=generator)}
        modules = CONVOLUTIONS
    else:
        body = TinyWords(12, 1)
        ids = torch.randint(2, 12, (24, 5), generator=generator)
        inputs = {"input_ids": ids, "attention_mask": (torch.arange(5) < 2 + labels[:, None]).long()}
        modules = {"words": "words", "mix": "blocks.0"}
    body.double().eval().requires_grad_(False)
    inputs = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in inputs.items()}
    with torch.no_grad():
        features = body(**inputs).numpy()
    from keiki.nn.logistic import logistic_fit

    solved = logistic_fit(features, labels.numpy(), 3, penalty=0.01)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(solved.weight))
        head.bias.copy_(torch.from_numpy(solved.bias))
    return body, head, inputs, labels, modules


def loss_with(
    body: nn.Module, head: nn.Module, inputs: dict[str, Tensor], labels: Tensor, module: str, channel: int, keep: float
) -> float:
    """The loss with one channel of one module's map multiplied by `keep`."""
    axis = 1 if body.get_submodule(module)(*_input_of(body, module, inputs)).dim() == 4 else -1

    def scale(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        changed = output.clone()
        changed.select(axis, channel).mul_(keep)
        return changed

    handle = body.get_submodule(module).register_forward_hook(scale)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(head(body(**inputs)), labels).item()
    handle.remove()
    return loss


def _input_of(body: nn.Module, module: str, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    seen: list[tuple[Tensor, ...]] = []
    handle = body.get_submodule(module).register_forward_pre_hook(lambda _m, args: seen.append(args))
    with torch.no_grad():
        body(**inputs)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("kind", ["image", "text"])
def test_without_curvature_rises_are_those_of_finite_steps(kind: str) -> None:
    body, head, inputs, labels, modules = problem(kind)
    halves = (slice(16), slice(16, 24))
    batches = [({name: tensor[at] for name, tensor in inputs.items()}, labels[at]) for at in halves]
    found = rises_without(body, head, modules, batches, draws=0)
    assert list(found) == list(modules)
    step = 1e-6
    for name, module in modules.items():
        up, down = (
            [loss_with(body, head, inputs, labels, module, c, keep) for c in range(len(found[name]))]
            for keep in (1 - step, 1 + step)
        )
        np.testing.assert_allclose(found[name].numpy(), (np.array(up) - down) / (2 * step), atol=1e-6)
    assert all(not module._forward_hooks for module in body.modules())
    assert not any(parameter.requires_grad for parameter in body.parameters())


def test_at_the_last_map_the_rise_is_that_of_the_second_order_in_closed_form() -> None:
    """For z = W f + b and channel c: -g + (E_p w^2 - (E_p w)^2) f_c^2 / 2 with w = W[:, c], g the slope."""
    body, head, inputs, labels, _ = problem("text")
    features = body(**inputs).numpy()
    weight, bias = (each.detach().numpy() for each in (head.weight, head.bias))
    shares = np.exp(features @ weight.T + bias)
    shares /= shares.sum(axis=1, keepdims=True)
    wanted = np.zeros(16)
    for c in range(16):
        for i in range(24):
            slope = features[i, c] * sum((shares[i, k] - (int(labels[i]) == k)) * weight[k, c] for k in range(3))
            mean = shares[i] @ weight[:, c]
            wanted[c] += (-slope + (shares[i] @ weight[:, c] ** 2 - mean**2) * features[i, c] ** 2 / 2) / 24
    flat = Whole(body)
    found = rises_without(flat, head, {"all": "body"}, [(inputs, labels)], draws=3000)["all"].numpy()
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


class Whole(nn.Module):
    """A network whose features are a map of their own."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, **inputs: Tensor) -> Tensor:
        out: Tensor = self.body(**inputs)
        return out


@pytest.mark.parametrize(("kind", "least"), [("image", 0.9), ("text", 0.6)])
def test_rises_rank_like_channels_really_zeroed_and_better_than_the_first_order(kind: str, least: float) -> None:
    body, head, inputs, labels, modules = problem(kind)
    found = rises_without(body, head, modules, [(inputs, labels)])
    first = rises_without(body, head, modules, [(inputs, labels)], draws=0)
    for name, module in modules.items():
        zeroed = [loss_with(body, head, inputs, labels, module, c, 0.0) for c in range(len(found[name]))]
        rank, rank_first = (spearmanr(each[name].numpy(), zeroed).statistic for each in (found, first))
        assert rank > max(least, rank_first)


class Shy(nn.Module):
    """A stage that answers with a tuple, one whose answer is changed in place, and one that is never asked."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Pair()
        self.second = nn.Linear(2, 2)
        self.third = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, other = self.first(x)
        assert other == "kept"
        return torch.relu_(self.second(states))


class Pair(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, str]:  # type: ignore[override]
        return super().forward(x), "kept"


def test_tuples_and_work_in_place_leave_maps_and_answers_as_they_are() -> None:
    torch.manual_seed(0)
    net = Shy()
    x = torch.randn(4, 2)
    plain = net(x).detach()
    maps: dict[str, Tensor] = {}
    with recorded(net, {"one": "first", "two": "second"}, maps):
        answer = net(x)
    assert torch.equal(plain, answer)
    assert torch.equal(maps["one"], nn.functional.linear(x, net.first.weight, net.first.bias))
    assert (maps["two"] < 0).any()  # as it was before the ReLU in place
    answer.sum().backward()
    assert net.first.weight.grad is not None


def test_a_module_that_is_never_asked_is_named() -> None:
    net = Shy().requires_grad_(False)
    with pytest.raises(TrainingError, match="never goes through 'three'"):
        rises_without(net, nn.Identity(), {"three": "third"}, [({"x": torch.randn(2, 2)}, torch.tensor([0, 1]))])


def test_a_shape_without_positions_and_channels_is_refused() -> None:
    with pytest.raises(TrainingError, match="no positions and channels"):
        positions_and_channels(torch.zeros(2, 3, 4, 5, 6))
