"""L2-SP: zero at the start, gradient alpha (w - w0), the closed form of linear regression, ridge where w0 is 0."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from keiki.nn.l2_sp import squared_distance, squared_size


@pytest.fixture
def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    return body, copy.deepcopy(body).requires_grad_(False)


def test_it_is_zero_at_the_start_and_batchnorm_statistics_are_no_weights(pair: tuple[nn.Module, nn.Module]) -> None:
    body, source = pair
    body.train()
    body(torch.randn(5, 3))  # moves the running statistics
    assert squared_distance(body, source).item() == 0.0


def test_its_gradient_is_the_distance_and_frozen_weights_have_none(pair: tuple[nn.Module, nn.Module]) -> None:
    body, source = pair
    body[2].requires_grad_(False)  # type: ignore[index]  # a Sequential
    with torch.no_grad():
        for parameter in body.parameters():
            parameter.add_(torch.randn_like(parameter))
    alpha = 0.3
    (alpha / 2 * squared_distance(body, source)).backward()  # type: ignore[no-untyped-call]
    start = dict(source.named_parameters())
    total = 0.0
    for name, parameter in body.named_parameters():
        moved = (parameter - start[name]).detach()
        if name.startswith("2."):
            assert parameter.grad is None
            continue
        total += float(np.square(moved.numpy()).sum())
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), alpha * moved.numpy(), rtol=1e-6)
    assert squared_distance(body, source).item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 10.0, 1e9])
@pytest.mark.parametrize("from_zero", [False, True])
def test_linear_regression_ends_at_its_closed_form(alpha: float, from_zero: bool) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    w0 = np.zeros(3) if from_zero else rng.normal(size=3)
    closed = w0 + np.linalg.solve(x.T @ x + alpha * np.eye(3), x.T @ (y - x @ w0))
    body, source = (nn.Linear(3, 1, bias=False).double() for _ in range(2))
    for each in (body, source):
        each.weight.data = torch.from_numpy(w0[None].copy())
    inputs, wanted = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.LBFGS(
        body.parameters(), max_iter=500, tolerance_grad=1e-14, tolerance_change=1e-18, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        errors = (body(inputs).squeeze(1) - wanted).square().sum() / 2
        value: torch.Tensor = (errors + alpha / 2 * squared_distance(body, source)) / max(1.0, alpha)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    np.testing.assert_allclose(body.weight.detach().numpy()[0], closed, rtol=1e-6, atol=1e-9)
    if from_zero:
        from sklearn.linear_model import Ridge

        ridge = Ridge(alpha=alpha, fit_intercept=False).fit(x, y)
        np.testing.assert_allclose(closed, ridge.coef_, rtol=1e-9)
    if alpha > 1e8:
        np.testing.assert_allclose(body.weight.detach().numpy()[0], w0, atol=1e-7)


def test_size_is_the_sum_of_squares_and_nothing_has_none() -> None:
    layer = nn.Linear(2, 1)
    layer.weight.data, layer.bias.data = torch.tensor([[3.0, 4.0]]), torch.tensor([12.0])
    assert squared_size(layer.parameters()).item() == 169.0
    assert squared_size([]).item() == 0.0
