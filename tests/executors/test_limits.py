"""JobLimits for jobs: told as the reason of the end, and read from the environment."""

import time

import numpy as np
import pytest

from qdash.errors import DataError, InputError, QdashError
from qdash.executors.base import REGISTRY
from qdash.limits import JobLimits, largest_unpacked
from qdash.registry import family
from qdash.testing.work import KIND


@pytest.mark.parametrize(("variable", "value"), [("QDASH_MAX_MEMORY", "1MB"), ("QDASH_MAX_HOURS", "0.000001")])
def test_a_job_that_breaks_a_limit_ends_with_the_reason(monkeypatch, tmp_path, variable, value) -> None:
    monkeypatch.setenv(variable, value)
    spec = '{"steps": 1, "seconds": 60}'
    with (
        pytest.raises(QdashError, match=f"the job was ended: .*{variable}"),
        REGISTRY.create("process").open(KIND, spec, str(tmp_path)) as work,
    ):
        list(work.advance(None, lambda: False))


@pytest.mark.parametrize(
    ("text", "limit"), [("500", 500 * 10**6), ("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), ("", None)]
)
def test_memory_is_read_with_its_unit(monkeypatch, text, limit) -> None:
    monkeypatch.setenv("QDASH_MAX_MEMORY", text)
    assert JobLimits.read() == JobLimits(limit)


@pytest.mark.parametrize("variable", ["QDASH_MAX_MEMORY", "QDASH_MAX_HOURS"])
@pytest.mark.parametrize("text", ["many", "-1", "0", "4 parsecs"])
def test_a_limit_that_can_t_be_read_is_told(monkeypatch, variable, text) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputError, match=variable):
        JobLimits.read()


def test_within_its_limits_a_job_goes_on() -> None:
    assert JobLimits(10**15, 1.0).broken_by(1, time.monotonic()) is None
    assert not JobLimits().any


def test_a_file_that_claims_more_than_memory_is_refused_by_its_header(monkeypatch, tmp_path) -> None:
    path = tmp_path / "large.npz"
    np.savez_compressed(path, x=np.zeros((4, 500_000), np.float32))
    monkeypatch.setenv("QDASH_MAX_MEMORY", "1MB")
    monkeypatch.setattr("numpy.load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(DataError, match=r"large.npz would take 8 MB of memory, more than the 1 MB"):
        family("datasets").create(str(path)).load()


def test_without_a_limit_the_machine_s_memory_counts(monkeypatch) -> None:
    monkeypatch.delenv("QDASH_MAX_MEMORY", raising=False)
    assert (largest_unpacked() or 0) > 2**28
