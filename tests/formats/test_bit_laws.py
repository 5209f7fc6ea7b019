"""Signal-to-noise laws of a uniform quantizer (Bennett 1948): published steps, exact in closed form."""

from math import log10, sqrt

import numpy as np
import pytest

from qdash.quant.cells import Cells
from qdash.registry import family

UNIFORM = Cells(np.array([[-1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))  # power 1/3


def sqnr_db(name: str, scheme: str, cells: Cells, power: float, limit: float = 1.0) -> float:
    error = family("formats").create(name).squared_error(cells, np.array([[-limit]]), np.array([[limit]]), scheme)
    return 10 * log10(power / error[0, 0])


@pytest.mark.parametrize(("more", "fewer", "step_db"), [(8, 6, 12.25), (6, 4, 12.93), (4, 3, 7.36), (8, 4, 25.17)])
def test_steps_of_the_symmetric_narrow_range(more, fewer, step_db):
    step = sqnr_db(f"int{more}", "symmetric", UNIFORM, 1 / 3) - sqnr_db(f"int{fewer}", "symmetric", UNIFORM, 1 / 3)
    assert step == pytest.approx(step_db, abs=0.005)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8, 16])
def test_uniform_input_has_six_db_per_bit(bits):
    top = 2.0**bits - 1  # every level covers an equal part of the input: [−½, top + ½]
    input_ = Cells(np.array([[-0.5, 0.0]]), np.array([[0.0, top + 0.5]]), np.array([[0.5, top + 0.5]]) / 2**bits)
    error = (
        family("formats").create(f"uint{bits}").squared_error(input_, np.zeros((1, 1)), np.full((1, 1), top), "affine")
    )
    assert 10 * log10((2**bits) ** 2 / 12 / error[0, 0]) == pytest.approx(20 * log10(2) * bits, abs=1e-5)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_full_scale_sine_has_1_76_db_more(bits):
    amplitude = 2.0 ** (bits - 1)
    x = (amplitude - 0.5 + amplitude * np.sin(np.linspace(0, 2 * np.pi, 400_001)))[None, :-1]
    points = Cells(x, x, np.full(x.shape, 1 / x.size))
    top = np.full((1, 1), 2.0**bits - 1)
    error = family("formats").create(f"uint{bits}").squared_error(points, 0 * top, top, "affine")
    assert 10 * log10(amplitude**2 / 2 / error[0, 0]) == pytest.approx(
        6.0206 * bits + 1.76, abs=0.15
    )  # more at the peaks


def test_rounding_error_is_uniform():
    member, x = family("formats").create("int8"), np.random.default_rng(0).uniform(-1, 1, 200_000)
    scale, zero_point = member.parameters(np.array(-1.0), np.array(1.0), "symmetric")
    rmse = sqrt(np.mean((x - member.fake_quantize(x, scale, zero_point, "symmetric")) ** 2))
    assert rmse / float(scale) == pytest.approx(1 / sqrt(12), rel=2e-3)
