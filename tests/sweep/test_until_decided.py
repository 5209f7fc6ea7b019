"""A sweep that stops when it is decided: same verdicts, fewer samples, and it resumes."""

from itertools import count

import pytest
from engine_helpers import run_work, sweep

from qdash.errors import SpecError
from qdash.executors.base import build_work
from qdash.records.scores import Progress, Score
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec

VALUES = {
    "model": "demo:digits-mobilenet",
    "data": "demo:digits",
    "weight_formats": ("int4",),
    "weight_granularity": "per_tensor",
    "batch_size": 32,
    "layers": "conv_stem,blocks.[024].*,classifier",
}
FEW = VALUES | {"layers": "conv_stem,blocks.0.*,classifier", "samples": 320}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("full"), **VALUES)


@pytest.mark.parametrize("tolerance", [2.5, 5.0])
def test_the_same_verdicts_with_fewer_samples(full, tolerance, tmp_path):
    result = sweep(tmp_path, **VALUES, until_decided=True, tolerance=tolerance)
    rows = {row["layer"]: row for row in full["layers"]}
    for row in result["layers"]:
        whole = rows[row["layer"]]
        if whole["metric_delta_low"] > -tolerance:
            assert row["decision"] in ("safe", "undecided")
        elif whole["metric_delta_high"] < -tolerance:
            assert row["decision"] in ("sensitive", "undecided")
        if row["decision"] == "undecided":
            assert row["samples"] == 597
            assert row["samples_to_decide"] is None or row["samples_to_decide"] > 0
    assert sum(r["samples"] for r in result["layers"]) < 0.8 * sum(r["samples"] for r in full["layers"])


def test_it_goes_on_in_a_new_process_with_the_same_result(tmp_path):
    spec = checked(SweepSpec, **FEW, until_decided=True, tolerance=3.0)
    _, whole, _ = run_work("sweep", spec, tmp_path)
    position, scores, checks = "start", [], count(1)
    while position is not None:  # a new work for every slice: nothing is carried over but the position
        work = build_work("sweep", spec.model_dump_json(), str(tmp_path))
        for record in work.advance(position, lambda: next(checks) % 7 == 0):
            if isinstance(record, Score):
                scores.append(record)
            elif isinstance(record, Progress):
                position = record.position
        work.close()
    once = {(s.kind, s.subject, s.setting, s.batch): s.sums for s in whole}
    pieces = {(s.kind, s.subject, s.setting, s.batch): s.sums for s in scores}
    assert once.keys() == pieces.keys()
    assert next(checks) // 7 > 3, "it was stopped inside of batches"
    assert sum(s.kind == "layer" for s in scores) < 5 * 10, "some were decided"
    assert all(once[key].get("noise") == pieces[key].get("noise") for key in once)


def test_it_needs_an_exact_method_and_a_metric_of_hits():
    with pytest.raises(SpecError, match=r"until_decided needs the method one_at_a_time, not gradient"):
        checked(SweepSpec, **VALUES, until_decided=True, method="gradient")
    with pytest.raises(SpecError, match=r"until_decided needs a metric of hits and misses"):
        checked(SweepSpec, **VALUES, until_decided=True, metric="mean_squared_error")
