"""Floating-point numbers of few bits, and exact powers of two (OCP Microscaling Formats v1.0; OCP 8-bit FP v1.0)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from qdash.quant.arrays import Array, namespace


class Minifloat(NamedTuple):
    """Sign, exponent and mantissa: steps of 2^(e − mantissa_bits) from 2^e on, evenly spaced below 2^min_exponent.

    `largest`: the largest finite number; what is larger saturates to it, infinities too.
    """

    mantissa_bits: int
    min_exponent: int
    largest: float

    @property
    def max_exponent(self) -> int:
        """The exponent of the largest number: emax of the Microscaling specification."""
        return int(np.frexp(self.largest)[1]) - 1

    def round(self, x: Array) -> Array:
        """The nearest number, ties to the even mantissa; float32 or float64 of any shape. NaN stays NaN.

        Divisions by the step are exact: it is a power of two.
        """
        xp = namespace(x)
        x = xp.clip(x, -self.largest, self.largest)
        step = xp.clip(power_of_two_below(x), 2.0**self.min_exponent, None) * 2.0**-self.mantissa_bits
        return xp.round(x / step) * step


E4M3FN = Minifloat(3, -6, 448.0)
E5M2 = Minifloat(2, -14, 57344.0)
E3M2 = Minifloat(2, -2, 28.0)
E2M3 = Minifloat(3, 0, 7.5)
E2M1 = Minifloat(1, 0, 6.0)


@lru_cache
def magnitudes(minifloat: Minifloat) -> np.ndarray:
    """Every number that is not negative, ascending, (numbers,) float64."""
    smallest, per_octave = 2.0 ** (minifloat.min_exponent - minifloat.mantissa_bits), 1 << minifloat.mantissa_bits
    octaves = minifloat.max_exponent - minifloat.min_exponent + 1
    normal = np.outer(2.0 ** np.arange(octaves), np.arange(per_octave, 2 * per_octave)).ravel()
    numbers = smallest * np.concatenate([np.arange(per_octave), normal])
    return numbers[numbers <= minifloat.largest]


def power_of_two_below(x: Array) -> Array:
    """2^⌊log₂|x|⌋ of float32 or float64, exactly; 0 for subnormal numbers and 0, ∞ for NaN and ∞.

    Only the exponent bits are kept. An array or tensor of any shape.
    """
    xp = namespace(x)
    bits, mask = (xp.int32, 0x7F80_0000) if x.dtype.itemsize == 4 else (xp.int64, 0x7FF0_0000_0000_0000)
    power: Array = (x.view(bits) & mask).view(x.dtype)
    return power


def power_of_two_above(x: Array) -> Array:
    """2^⌈log₂ x⌉ of positive normal float32 or float64, exactly, of any shape; NaN stays NaN."""
    below = power_of_two_below(x)
    return 2 * namespace(x).where(below < x, below, x / 2)
