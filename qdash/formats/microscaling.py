"""OCP Microscaling formats: blocks of 32 small floats with a shared power-of-two scale (specification v1.0, 2023)."""

from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import Field

from qdash.formats.base import REGISTRY
from qdash.formats.blocks import BlockFormat, largest
from qdash.quant.arrays import Array, namespace
from qdash.quant.minifloat import E2M1, E2M3, E3M2, E4M3FN, E5M2, Minifloat, power_of_two_below

SMALLEST_SCALE = 2.0**-127  # of E8M0, the format of the scales


class Microscaling(BlockFormat):
    """Elements of few bits in blocks of 32 with one 8-bit power-of-two scale; subclasses say which elements."""

    block: ClassVar[int] = 32
    scale_bits: ClassVar[int] = 8

    @property
    @abstractmethod
    def numbers(self) -> Minifloat:
        """The element format."""

    def round_blocks(self, blocks: Array) -> Array:
        """Section 6.3: scale 2^(⌊log₂ largest⌋ − emax), elements rounded to nearest even, saturating."""
        xp, top = namespace(blocks), largest(blocks)
        scale = xp.clip(power_of_two_below(top) * 2.0**-self.numbers.max_exponent, SMALLEST_SCALE, None)
        scale = xp.where(xp.isnan(top), top, scale)
        rounded: Array = self.numbers.round(blocks / scale) * scale
        return rounded


@REGISTRY.register("mxfp8")
class Mxfp8(Microscaling):
    """OCP Microscaling MXFP8: 8-bit floats in blocks of 32 along the input axis, one power-of-two scale a block.

    8.25 bits per value. Elements e4m3 (finer) or e5m2 (wider). The scale follows the block's largest value, so no
    range is calibrated; the top of a block may saturate (values from 448 to 512 scales, as the specification says).
    """

    examples: ClassVar[tuple[str, ...]] = ("mxfp8", "mxfp8:element=e5m2")
    element: Literal["e4m3", "e5m2"] = Field("e4m3", description="exponent and mantissa bits of the elements")

    @property
    def numbers(self) -> Minifloat:
        """As chosen."""
        return {"e4m3": E4M3FN, "e5m2": E5M2}[self.element]

    @property
    def element_bits(self) -> int:
        """8."""
        return 8


@REGISTRY.register("mxfp6")
class Mxfp6(Microscaling):
    """OCP Microscaling MXFP6: 6-bit floats in blocks of 32 along the input axis, one power-of-two scale a block.

    6.25 bits per value. Elements e3m2 (wider) or e2m3 (finer, usually better for weights). No range is calibrated.
    """

    examples: ClassVar[tuple[str, ...]] = ("mxfp6", "mxfp6:element=e2m3")
    element: Literal["e3m2", "e2m3"] = Field("e3m2", description="exponent and mantissa bits of the elements")

    @property
    def numbers(self) -> Minifloat:
        """As chosen."""
        return {"e3m2": E3M2, "e2m3": E2M3}[self.element]

    @property
    def element_bits(self) -> int:
        """6."""
        return 6


@REGISTRY.register("mxfp4")
class Mxfp4(Microscaling):
    """OCP Microscaling MXFP4: 4-bit floats (e2m1) in blocks of 32 along the input axis, one power-of-two scale a block.

    4.25 bits per value: 0, 0.5, 1, 1.5, 2, 3, 4, 6 of either sign, times the scale. No range is calibrated.
    """

    @property
    def numbers(self) -> Minifloat:
        """e2m1."""
        return E2M1

    @property
    def element_bits(self) -> int:
        """4."""
        return 4
