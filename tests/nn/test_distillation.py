"""Distillation against a slow sum from the paper; zero where both agree; the gradient of the cross-entropy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from keiki.nn.distillation import distillation, linear_layer, soft_cross_entropy
from keiki.nn.linear import LinearHead


@pytest.fixture
def logits() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=(6, 5)), 3 * rng.normal(size=(6, 5))


def softened(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Li and Hoiem, equation 3: probabilities to the power 1 / T, made to sum to 1."""
    plain = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    powers = plain ** (1 / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_it_is_the_papers_cross_entropy_less_the_entropy_of_the_teacher(
    logits: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    student, teacher = logits
    ours, theirs = softened(student, temperature), softened(teacher, temperature)
    crossed = -(theirs * np.log(ours)).sum(axis=1).mean()
    own = -(theirs * np.log(theirs)).sum(axis=1).mean()
    tensor = torch.from_numpy(student).requires_grad_()
    value = distillation(tensor, torch.from_numpy(teacher), temperature)
    assert value.item() == pytest.approx(crossed - own, rel=1e-5)
    value.backward()  # type: ignore[no-untyped-call]
    assert tensor.grad is not None
    np.testing.assert_allclose(tensor.grad.numpy(), (ours - theirs) / temperature / len(ours), atol=1e-7)


def test_the_same_answers_cost_nothing(logits: tuple[np.ndarray, np.ndarray]) -> None:
    same = torch.from_numpy(logits[0])
    assert distillation(same, same + 7.0, 2.0).item() == pytest.approx(0.0, abs=1e-6)


def test_soft_labels_against_a_slow_sum(logits: tuple[np.ndarray, np.ndarray]) -> None:
    shares = softened(logits[1], 1.0)
    wanted = -(shares * np.log(softened(logits[0], 1.0))).sum(axis=1).mean()
    found = soft_cross_entropy(torch.from_numpy(logits[0]), torch.from_numpy(shares))
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_a_head_and_its_layer_answer_the_same() -> None:
    rng = np.random.default_rng(0)
    head = LinearHead(rng.normal(size=(3, 4)), rng.normal(size=3))
    features = rng.normal(size=(5, 4))
    answers = linear_layer(head)(torch.from_numpy(features).float())
    np.testing.assert_allclose(answers.detach().numpy(), head.logits(features), atol=1e-5)
