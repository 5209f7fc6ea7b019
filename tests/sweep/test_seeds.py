"""Seeds of 64 bits serve wherever something is drawn."""

import pytest
from engine_helpers import run_work

from qdash.errors import SpecError
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.testing import tiny

LARGEST = 2**64 - 1


@pytest.mark.parametrize("seed", [2**63, LARGEST])
@pytest.mark.parametrize(
    "more", [{"paranoid": True}, {"method": "gradient"}, {"mode": "qat:steps=3:batch_size=4"}, {"until_decided": True}]
)
def test_a_sweep_with_a_large_seed(tmp_path, seed, more):
    spec = checked(SweepSpec, model=tiny.MODEL, data=tiny.DATA, batch_size=4, samples=8, seed=seed, **more)
    assert run_work("sweep", spec, tmp_path)[1]


@pytest.mark.parametrize("seed", [LARGEST + 1, -1])
def test_other_seeds_are_refused_in_one_line(seed):
    with pytest.raises(SpecError, match="seed") as refused:
        checked(SweepSpec, model=tiny.MODEL, data=tiny.DATA, seed=seed)
    assert "\n" not in str(refused.value)
