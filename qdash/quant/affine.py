"""The affine map between real numbers and integers (Gholami et al. 2021, arXiv:2103.13630; ONNX QuantizeLinear)."""

from typing import NamedTuple

import numpy as np

from qdash.quant.arrays import Array, Namespace, namespace
from qdash.quant.minifloat import power_of_two_above, power_of_two_below

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_VALUE = float(np.finfo(np.float32).max)
LARGEST_POWER = 2.0**127


class QuantParameters(NamedTuple):
    """Scale (float32) and zero point (int32), arrays of one shape."""

    scale: np.ndarray
    zero_point: np.ndarray


def affine_parameters(
    low: Array, high: Array, q_min: int, q_max: int, power_of_two: bool = False
) -> tuple[Array, Array]:
    """Scale S = (high − low) / (q_max − q_min) and zero point Z = clamp(round(q_min − low/S), q_min, q_max).

    `low`, `high`: float64 arrays or tensors of one shape; the range is widened to contain 0, so 0.0 is exact. S
    (float32) and Z (int32) have this shape, and Z belongs to S as it is stored. Only low = high = 0 gives S = 1, Z = 0.
    A range that isn't finite gives S = NaN, and everything quantized with it is NaN. `power_of_two`: S is rounded up to
    a power of two, so that nothing more is clipped; Z follows.
    """
    xp = namespace(low)
    low, high = xp.clip(low, None, 0.0), xp.clip(high, 0.0, None)
    span = high - low
    scale = _stored_scale(span, q_max - q_min, xp, power_of_two)
    zero_point = xp.clip(xp.round(q_min - low / scale), q_min, q_max)
    zero_point = xp.where(xp.isfinite(zero_point) & (span != 0), zero_point, 0.0)
    steps = xp.maximum(q_max - zero_point, zero_point - q_min)
    return _finite_ends(scale, steps, xp, power_of_two), xp.asarray(zero_point, dtype=xp.int32)


def symmetric_parameters(low: Array, high: Array, q_max: float, power_of_two: bool = False) -> tuple[Array, Array]:
    """Scale S = max(|low|, |high|) / q_max and zero point 0; the grid ends at −q_max and q_max (narrow range).

    Shapes and dtypes as in `affine_parameters`.
    """
    xp = namespace(low)
    magnitude = xp.maximum(xp.abs(low), xp.abs(high))
    scale = _stored_scale(magnitude, q_max, xp, power_of_two)
    widest = xp.full_like(scale, q_max)
    return _finite_ends(scale, widest, xp, power_of_two), xp.zeros_like(scale, dtype=xp.int32)


def fake_quantize(x: Array, scale: Array, zero_point: Array, q_min: int, q_max: int) -> Array:
    """clip(round_half_even(x/S), q_min − Z, q_max − Z) · S, the same as adding Z after the rounding.

    `x`: a float array or tensor of any shape; `scale` and `zero_point`: of its kind, broadcastable to it. Keeps shape,
    dtype and memory format; NaN stays NaN. It divides: the product with a rounded reciprocal differs near ties.
    """
    if isinstance(x, np.ndarray):
        with np.errstate(over="ignore"):
            levels = np.rint(x / scale)
        rounded: np.ndarray = np.clip(levels, q_min - zero_point, q_max - zero_point) * scale
        return rounded.astype(x.dtype, copy=False)
    wide = x.float() if x.element_size() < 4 else x  # bfloat16 can't hold the levels of 16 bits
    levels = wide.div(scale).round_()
    if getattr(zero_point, "ndim", 0) == 0 or zero_point.numel() == 1:
        shift = int(zero_point)  # torch clamps to numbers 3 times faster than to tensors
        levels.clamp_(q_min - shift, q_max - shift)
    else:
        levels.clamp_(q_min - zero_point, q_max - zero_point)
    return levels.mul_(scale).to(x.dtype)


def _stored_scale(span: Array, steps: float, xp: Namespace[Array], power_of_two: bool) -> Array:
    """float32, not below the smallest normal number; 1 for an empty span, NaN where the span isn't finite."""
    largest = LARGEST_POWER if power_of_two else LARGEST_VALUE
    scale = xp.clip(xp.where(xp.isfinite(span), span / steps, xp.nan), SMALLEST_SCALE, largest)
    scale = xp.asarray(xp.where(span == 0, 1.0, scale), dtype=xp.float32)
    return power_of_two_above(scale) if power_of_two else scale


def _finite_ends(scale: Array, steps: Array, xp: Namespace[Array], power_of_two: bool) -> Array:
    """No level times the scale may exceed the largest float32, for ranges that reach it."""
    widest = xp.asarray(LARGEST_VALUE / steps, dtype=xp.float32)
    widest = xp.nextafter(widest, xp.zeros_like(widest))
    return xp.minimum(scale, power_of_two_below(widest) if power_of_two else widest)
