"""Fake quantization with gradients: rounding passes them straight through, clipping stops them, scales can learn.

Straight-through estimator: Bengio et al. 2013 (arXiv:1308.3432). Learned step size: Esser et al. 2019
(arXiv:1902.08153). What goes forward is the same to the bit as without gradients.
"""

from typing import Any

import torch
from torch import Tensor

from qdash.formats.base import ScaledFormat

_FURTHEST = float(torch.finfo(torch.float32).max)


def fake_quantize(
    x: Tensor, scale: Tensor, zero_point: Tensor, format: ScaledFormat, scheme: str, gradient_scale: float = 1.0
) -> Tensor:
    """`format.fake_quantize` with ∂x̃/∂x = 1 inside the grid and 0 where x is clipped.

    Where the scale requires a gradient it gets ∂x̃/∂S = (x̃ − x)/S inside and x̃/S where x is clipped (LSQ, equation
    3), times `gradient_scale`, summed over the values that share it. x: float32, of any shape; scale, zero_point:
    broadcastable to it. As in torch.fake_quantize_per_tensor_affine, a value that rounds to the end of an integer grid
    lies inside.
    """
    return _FakeQuantize.apply(x, scale, zero_point, format, scheme, gradient_scale)  # type: ignore[no-any-return, no-untyped-call]


def passed_through(x: Tensor, quantized: Tensor) -> Tensor:
    """`quantized`, whose gradient goes to x, of the same shape, as it is.

    For formats that take their scales from the values themselves.
    """
    return _PassedThrough.apply(x, quantized)  # type: ignore[no-any-return, no-untyped-call]


def ends(scale: Tensor, zero_point: Tensor, format: ScaledFormat, scheme: str) -> tuple[Tensor, Tensor]:
    """The lowest and the highest number of the grid, of the shape of the scale."""
    furthest = torch.full_like(scale, _FURTHEST)
    low = format.fake_quantize(-furthest, scale, zero_point, scheme)
    return low, format.fake_quantize(furthest, scale, zero_point, scheme)


def lsq_gradient_scale(values: int, scale: Tensor, largest: Tensor) -> float:
    """1/√(N·Q_P): N values share the scale, Q_P is the highest level (Esser et al., section 2.2).

    `scale` and `largest`, the largest value that it can write, have one shape; Q_P is the mean over all scales.
    """
    levels = float((largest / scale).mean())
    return float((values * levels) ** -0.5) if values and levels > 0 else 1.0


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, format: ScaledFormat, scheme: str, gradient_scale: float
    ) -> Tensor:
        quantized: Tensor = format.fake_quantize(x, scale, zero_point, scheme)
        inside = _inside(x, scale, zero_point, format, scheme)
        slope = (quantized - x * inside) / scale * gradient_scale if ctx.needs_input_grad[1] else None
        ctx.save_for_backward(inside, slope)
        ctx.scale_shape = scale.shape
        return quantized

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inside, slope = ctx.saved_tensors
        (gradient,) = gradients
        gradient = gradient.to_dense() if gradient.is_sparse else gradient
        to_scale = None if slope is None else (gradient * slope).sum_to_size(ctx.scale_shape)
        return gradient * inside, to_scale, None, None, None, None


class _PassedThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, quantized: Tensor) -> Tensor:
        return quantized.view_as(quantized)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        return gradient.to_dense() if gradient.is_sparse else gradient, None


def _inside(x: Tensor, scale: Tensor, zero_point: Tensor, format: ScaledFormat, scheme: str) -> Tensor:
    limits = getattr(format, "limits", None)
    if limits is None:
        low, high = ends(scale, zero_point, format, scheme)
        return torch.ge(x, low) & torch.le(x, high)
    q_min, q_max = limits(scheme)
    levels = (x / scale).round_()
    return torch.ge(levels, q_min - zero_point) & torch.le(levels, q_max - zero_point)
