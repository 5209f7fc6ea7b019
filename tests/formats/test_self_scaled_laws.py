"""The laws of formats over all that take no range, and how much they store."""

import numpy as np

from qdash.registry import family
from qdash.testing.formats import SelfScaledFormatLaws
from qdash.testing.laws import every_name

FORMATS = family("formats")
NAMES = [name for name in every_name("formats") if not FORMATS.create(name).needs_range]


class TestSelfScaledFormats(SelfScaledFormatLaws):
    names = NAMES


def test_only_fp16_overflows_and_has_its_own_test():
    x = np.full((1, 40), 3e38, np.float32)
    finite = {name for name in NAMES if np.isfinite(FORMATS.create(name).fake_quantize_blocks(x)).all()}
    assert set(NAMES) - finite == {"fp16"}


def test_storage_of_blocks():
    bits = {name: FORMATS.create(name).bits_per_value for name in NAMES}
    assert bits["mxfp8"] == 8.25
    assert bits["mxfp6"] == bits["mxfp6:element=e2m3"] == 6.25
    assert bits["mxfp4"] == 4.25
    assert bits["nvfp4"] == bits["nf4"] == 4.5
    assert bits["bf16"] == bits["fp16"] == 16
    assert FORMATS.create("mxfp4").storage_bits(3, 32) == 3 * 32 * 4.25
    assert FORMATS.create("mxfp4").storage_bits(3, 33) == 3 * (33 * 4 + 2 * 8)  # a short block has a whole scale
    assert FORMATS.create("nf4").storage_bits(2, 9) == 2 * (9 * 4 + 32)
