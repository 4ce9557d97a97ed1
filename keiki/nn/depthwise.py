"""Gradients of depthwise convolutions on a CPU, by faster ways than torch's own.

For kernels larger than 3x3 oneDNN takes the gradient of the weights in plain loops, and in bfloat16 also that of the
inputs of strided convolutions: two thirds of a training step of an EfficientNet. Both are convolutions again, and these
it has fast code for (`bench/steps.py` measures what a step gains; the timings by shape are in docs/log.md):

    weights   dW[c] = sum_b x[b, c] * g[b, c]: each plane convolved with its own gradient as the kernel
    inputs    dx = g, with zeros between its rows and columns, convolved with the kernel turned by 180 degrees

The forward pass is torch's own, so answers keep their bits; gradients agree with torch's to rounding. Source of the two
identities: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, section 4.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Pair = tuple[int, int]
FAST_KERNEL = 3  # of this size on a side torch's own is fast
SMALL = 16  # outputs a side, up to which the gradient of the weights is faster in every layout


def is_depthwise(module: nn.Module) -> bool:
    """Whether every channel of a convolution is convolved by itself."""
    return isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels == module.out_channels


def convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor | None:
    """As `torch.conv2d`; None for what is not ours."""
    square = weight.dim() == 4 and input.dim() == 4 and len(weight) == groups == input.shape[1] > 1
    if not square or isinstance(padding, str) or pair(dilation) != (1, 1) or input.device.type != "cpu":
        return None
    if torch.is_autocast_enabled("cpu"):
        low = torch.get_autocast_dtype("cpu")
        input, weight, bias = input.to(low), weight.to(low), None if bias is None else bias.to(low)
    geometry = (pair(stride), pair(padding))
    answer: Tensor = _Depthwise.apply(input, weight, bias, *geometry)  # type: ignore[no-untyped-call]
    return answer


def pair(value: Any) -> Pair:
    """One number for both sides of a map, or one for each."""
    found = (value, value) if isinstance(value, int) else tuple(value)
    return (found * 2 if len(found) == 1 else found)[:2]


class _Depthwise(torch.autograd.Function):
    """x (B, C, H, W), weight (C, 1, kH, kW), bias (C,) or None -> (B, C, H', W')."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return torch.conv2d(x, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        strided = max(ctx.stride) > 1
        inputs = weights = None
        if of_x and strided and x.dtype != torch.float32:
            inputs, of_x = input_gradient(gradient, weight, x.shape[2:], ctx.stride, ctx.padding), False
        if of_weight and _is_slow(x, weight, gradient):
            weights, of_weight = weight_gradient(x, gradient, weight.shape[2:], ctx.stride, ctx.padding), False
        if of_x or of_weight:
            mask = [of_x, of_weight, False]
            rest = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, ctx.stride, ctx.padding, [1, 1], False, [0, 0], len(weight), mask
            )
            inputs, weights = rest[0] if of_x else inputs, rest[1] if of_weight else weights
        return inputs, weights, gradient.sum((0, 2, 3)) if of_bias else None, None, None


def _is_slow(x: Tensor, weight: Tensor, gradient: Tensor) -> bool:
    """Whether torch's own gradient of the weights is slower than `weight_gradient`, by measurement."""
    planar = x.is_contiguous() or x.dtype != torch.float32
    return max(weight.shape[2:]) > FAST_KERNEL and (planar or max(gradient.shape[2:]) <= SMALL)


def weight_gradient(x: Tensor, gradient: Tensor, size: Any, stride: Pair, padding: Pair) -> Tensor:
    """dW (C, 1, kH, kW) of inputs (B, C, H, W) and the gradient (B, C, H', W') of the outputs."""
    batch, channels = x.shape[:2]
    padded = functional.pad(x, (padding[1], padding[1], padding[0], padding[0])) if any(padding) else x
    planes = padded.reshape(1, batch * channels, *padded.shape[2:])
    kernels = gradient.reshape(batch * channels, 1, *gradient.shape[2:])
    found = torch.conv2d(planes, kernels, None, 1, 0, stride, batch * channels)
    return found[:, :, : size[0], : size[1]].reshape(batch, channels, 1, *size).sum(0)


def input_gradient(gradient: Tensor, weight: Tensor, size: Any, stride: Pair, padding: Pair) -> Tensor:
    """dx (B, C, H, W), H and W being `size`, of the gradient (B, C, H', W') of the outputs and the kernels."""
    kernel = weight.shape[2:]
    spread = gradient.new_zeros(
        *gradient.shape[:2], *(n + 2 * p - k + 1 for n, p, k in zip(size, padding, kernel, strict=True))
    ).contiguous(memory_format=_layout(gradient))
    spread[:, :, :: stride[0], :: stride[1]] = gradient
    around = [k - 1 for k in kernel]
    found = torch.conv2d(spread, weight.flip(2, 3), None, 1, around, 1, len(weight))
    rows, columns = (slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return found[:, :, rows, columns]


def _layout(tensor: Tensor) -> torch.memory_format:
    last = tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
