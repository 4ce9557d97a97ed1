"""BSS against the singular values of NumPy; its gradient is 2 sigma u v', also where singular values repeat."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from keiki.nn.bss import smallest_squares


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_value_and_gradient_are_those_of_the_svd(shape: tuple[int, int], k: int) -> None:
    features = np.random.default_rng(0).normal(size=shape)
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    tensor = torch.from_numpy(features).requires_grad_()
    value = smallest_squares(tensor, k)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == pytest.approx(np.square(s[-k:]).sum(), rel=1e-9)
    wanted = sum(2 * s[i] * np.outer(u[:, i], vt[i]) for i in range(len(s))[-k:])
    assert tensor.grad is not None
    np.testing.assert_allclose(tensor.grad.numpy(), wanted, atol=1e-9)


def test_rotations_change_nothing() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(6, 4))
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (6, 4))
    values = [smallest_squares(torch.from_numpy(each), 2).item() for each in (features, left @ features @ right)]
    assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_repeated_singular_values_have_a_gradient() -> None:
    features = (2 * torch.eye(4, 6)).requires_grad_()
    value = smallest_squares(features, 4)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == pytest.approx(16.0)
    assert features.grad is not None
    np.testing.assert_allclose(features.grad.numpy(), 2 * features.detach().numpy(), atol=1e-6)


def test_a_feature_that_is_never_above_zero_leaves_nothing_to_shrink_in_a_large_batch() -> None:
    features = torch.rand(8, 4) * torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert smallest_squares(features, 1).item() == pytest.approx(0.0, abs=1e-6)
