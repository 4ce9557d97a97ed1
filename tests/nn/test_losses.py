"""Losses of single items, against the formulas of their papers, torch's own and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from keiki.data.task import Batch
from keiki.nn.heads import Shape
from keiki.nn.losses import ItemLoss, focal, mixed
from keiki.nn.network import BodyAndHead, Seen, task_loss

RNG = np.random.default_rng(0)
N, CLASSES = 12, 4
LOGITS = RNG.normal(0, 2, size=(N, CLASSES))
LABELS = RNG.integers(0, CLASSES, size=N)
WEIGHTS = np.array([0.5, 1.0, 2.0, 4.0])
PRIOR = np.array([0.6, 0.25, 0.1, 0.05])


def run(loss: ItemLoss, logits: np.ndarray = LOGITS) -> np.ndarray:
    found: np.ndarray = loss(torch.from_numpy(logits), torch.from_numpy(LABELS)).numpy()
    return found


def slow(loss: ItemLoss) -> np.ndarray:
    """One item and one class after the other, from the papers' formulas."""
    out = []
    for scores, label in zip(LOGITS, LABELS, strict=True):
        powers = np.exp(scores + (0 if loss.shift is None else loss.shift))
        p = powers / powers.sum()
        weights = np.ones(CLASSES) if loss.weights is None else loss.weights
        if loss.gamma:
            out.append(-weights[label] * (1 - p[label]) ** loss.gamma * np.log(p[label]))
            continue
        target = [(1 - loss.smoothing) * (c == label) + loss.smoothing / CLASSES for c in range(CLASSES)]
        out.append(-sum(weights[c] * target[c] * np.log(p[c]) for c in range(CLASSES)))
    return np.array(out)


@pytest.mark.parametrize(
    "loss",
    [
        ItemLoss(),
        ItemLoss(smoothing=0.1),
        ItemLoss(weights=WEIGHTS),
        ItemLoss(smoothing=0.1, weights=WEIGHTS),
        ItemLoss(gamma=2.0),
        ItemLoss(gamma=0.5, weights=WEIGHTS),
        ItemLoss(shift=np.log(PRIOR)),
        ItemLoss(gamma=2.0, shift=0.5 * np.log(PRIOR)),
    ],
    ids=str,
)
def test_it_is_the_formula_and_its_gradient_is_its_slope(loss: ItemLoss) -> None:
    np.testing.assert_allclose(run(loss), slow(loss), rtol=1e-10)
    logits = torch.from_numpy(LOGITS).requires_grad_()
    loss(logits, torch.from_numpy(LABELS)).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    step = 1e-6
    for at in np.ndindex(3, CLASSES):
        up, down = LOGITS.copy(), LOGITS.copy()
        up[at] += step
        down[at] -= step
        slope = (run(loss, up).sum() - run(loss, down).sum()) / (2 * step)
        assert logits.grad[at].item() == pytest.approx(slope, abs=1e-6)


def test_weights_that_average_one_give_torchs_mean() -> None:
    weights = WEIGHTS / WEIGHTS[LABELS].mean()
    theirs = nn.functional.cross_entropy(
        torch.from_numpy(LOGITS), torch.from_numpy(LABELS), weight=torch.from_numpy(weights)
    )
    assert run(ItemLoss(weights=weights)).mean() == pytest.approx(theirs.item())


def test_focal_without_power_and_adjustment_by_equal_priors_are_cross_entropy() -> None:
    plain = run(ItemLoss())
    labels = torch.from_numpy(LABELS)
    np.testing.assert_allclose(focal(torch.from_numpy(LOGITS), labels, 0.0).numpy(), plain, rtol=1e-12)
    np.testing.assert_allclose(run(ItemLoss(shift=np.log(np.full(CLASSES, 0.25)))), plain, rtol=1e-12)


def test_adjustment_gives_rare_classes_the_larger_loss() -> None:
    adjusted = run(ItemLoss(shift=np.log(PRIOR)), np.zeros((N, CLASSES)))
    np.testing.assert_allclose(adjusted, -np.log(PRIOR[LABELS]))


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_focal_has_a_gradient_where_nothing_is_doubted(gamma: float) -> None:
    logits = torch.tensor([[1000.0, 0.0], [-1000.0, 0.0]], requires_grad=True)
    losses = focal(logits, torch.tensor([0, 0]), gamma)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert losses.tolist() == pytest.approx([0.0, 1000.0], abs=1e-6)


def test_half_precision_is_widened_first() -> None:
    logits = torch.from_numpy(LOGITS).bfloat16()
    found = ItemLoss(smoothing=0.1, shift=np.log(PRIOR))(logits, torch.from_numpy(LABELS))
    assert found.dtype == torch.float32
    expected = ItemLoss(smoothing=0.1, shift=np.log(PRIOR))(logits.double(), torch.from_numpy(LABELS))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)


def test_mixed_losses_are_losses_of_mixed_targets() -> None:
    partners, shares = RNG.permutation(N), RNG.uniform(size=N)
    own, other = np.eye(CLASSES)[LABELS], np.eye(CLASSES)[LABELS[partners]]
    target = shares[:, None] * own + (1 - shares[:, None]) * other
    found = mixed(ItemLoss(), *map(torch.from_numpy, (LOGITS, LABELS, LABELS[partners], shares))).mean()
    theirs = nn.functional.cross_entropy(torch.from_numpy(LOGITS), torch.from_numpy(target))
    assert found.item() == pytest.approx(theirs.item())


class Rows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def network() -> BodyAndHead:
    net = BodyAndHead(Rows(), CLASSES, CLASSES, Shape("mlp", hidden=5)).eval()
    with torch.no_grad():
        net.head.weight.copy_(torch.from_numpy(RNG.normal(size=(CLASSES, 5))))
    return net


def test_the_loss_of_a_batch_is_the_mean_and_pieces_add_up() -> None:
    net, loss = network(), ItemLoss(weights=WEIGHTS, smoothing=0.1)
    rows = LOGITS.astype(np.float32)
    whole = Batch({"x": rows}, LABELS, np.arange(N))
    found = task_loss(net, item_loss=loss)(whole)
    logits = net({"x": torch.from_numpy(rows)})
    assert found.item() == pytest.approx(loss(logits, torch.from_numpy(LABELS)).mean().item())
    pieces = [np.arange(5), np.arange(5, N)]
    parts = [task_loss(net, item_loss=loss)(Batch({"x": rows[at]}, LABELS[at], at)) for at in pieces]
    total = sum(len(at) / N * part.item() for at, part in zip(pieces, parts, strict=True))
    assert total == pytest.approx(found.item())


def test_a_batch_of_mixed_items_has_mixed_losses() -> None:
    net, rows = network(), LOGITS.astype(np.float32)
    partners, shares = np.roll(np.arange(N), 1), RNG.uniform(size=N).astype(np.float32)
    batch = Batch({"x": rows}, LABELS, np.arange(N), partners, shares, LABELS[partners])
    logits = net({"x": torch.from_numpy(rows)})
    targets = shares[:, None] * np.eye(CLASSES)[LABELS] + (1 - shares[:, None]) * np.eye(CLASSES)[LABELS[partners]]
    expected = nn.functional.cross_entropy(logits, torch.from_numpy(targets.astype(np.float32)))
    assert task_loss(net)(batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_penalty_sees_the_features_of_the_body_and_the_logits_of_the_head() -> None:
    net, rows = network(), LOGITS.astype(np.float32)
    found: list[Seen] = []

    def penalty(seen: Seen) -> Tensor:
        found.append(seen)
        return torch.tensor(3.0)

    batch = Batch({"x": rows}, LABELS, np.arange(N))
    assert task_loss(net, penalty)(batch).item() == pytest.approx(task_loss(net)(batch).item() + 3)
    np.testing.assert_array_equal(found[0].features.numpy(), rows)
    np.testing.assert_allclose(found[0].logits.detach().numpy(), net({"x": torch.from_numpy(rows)}).detach().numpy())
