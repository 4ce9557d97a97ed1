"""Scale and shift: equal to what stands after the layer in the paper."""

import pytest
import torch
from torch import nn

from keiki.nn.scaling import scale_and_shift
from keiki.nn.weight_changes import layers, merge


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(5, 4), (3, 5)),
        (nn.Linear(5, 4, bias=False), (3, 5)),
        (nn.Conv2d(6, 4, 3, groups=2), (3, 6, 8, 8)),
        (nn.BatchNorm2d(4), (3, 4, 5, 5)),
        (nn.LayerNorm(4), (3, 7, 4)),
    ],
    ids=str,
)
def test_outputs_are_scaled_and_shifted_channel_by_channel(module: nn.Module, shape: tuple[int, ...]) -> None:
    """SSF's y -> gamma * y + beta is gamma * W with bias gamma * b + beta: here the shift is beta + (gamma - 1) * b."""
    torch.manual_seed(0)
    module.eval()
    inputs = torch.randn(shape)
    before = module(inputs).detach()
    old_bias = None if module.bias is None else module.bias.detach().clone()  # type: ignore[operator]
    (layer,) = layers(module, {"weight"})
    scale_and_shift(layer)
    assert torch.equal(module(inputs), before)
    gamma, beta = torch.rand(4) + 0.5, torch.randn(4)
    with torch.no_grad():
        module.parametrizations.weight[0].change.copy_(gamma - 1)  # type: ignore[union-attr, index]
        if old_bias is not None:
            module.parametrizations.bias[0].change.copy_(beta + (gamma - 1) * old_bias)  # type: ignore[union-attr, index]
    channels = (1, 4, 1, 1) if len(shape) == 4 else (4,)
    expected = before * gamma.view(channels) + (0 if old_bias is None else beta.view(channels))
    torch.testing.assert_close(module(inputs), expected)
    unmerged = module(inputs)
    merge(module)
    assert torch.equal(module(inputs), unmerged)
    assert sorted(module.state_dict()) == sorted(type(module)(**_same(module)).state_dict())


def _same(module: nn.Module) -> dict[str, object]:
    if isinstance(module, nn.Linear):
        return {"in_features": 5, "out_features": 4, "bias": module.bias is not None}
    if isinstance(module, nn.Conv2d):
        return {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "groups": 2}
    return {"num_features": 4} if isinstance(module, nn.BatchNorm2d) else {"normalized_shape": 4}
