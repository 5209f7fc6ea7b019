"""Settings that change nothing for a layer are measured once, and their results are the same as measured apart."""

import numpy as np
import pytest
from engine_helpers import sweep

from qdash.engine.quantizer import LayerQuantizer

MATRIX = {"model": "demo:digits-mobilenet", "data": "demo:digits", "samples": 32, "calibration_samples": 64}


def rows_of(result, setting):
    rows = [row for row in result["layers"] if row["settings"]["observer"] == setting]
    return {r["layer"]: (r["model_output_kl"], r["layer_output_sqnr_db"], r["weight_sqnr_db"]) for r in rows}


@pytest.mark.parametrize("method", ["one_at_a_time", "leave_one_out", "gradient"])
def test_weights_alone_have_the_same_moving_average_and_widest_range(method, tmp_path):
    values = MATRIX | {"mode": "weight_only", "method": method}
    one = sweep(tmp_path, **values, observers=("min_max",))
    both = sweep(tmp_path, **values, observers=("min_max", "moving_average"))
    assert rows_of(both, "min_max") == rows_of(both, "moving_average") == rows_of(one, "min_max")
    more = both["cost"]["forward_equivalents"] / one["cost"]["forward_equivalents"]
    assert more < 1.01, more


def test_where_settings_differ_every_one_is_measured(tmp_path):
    both = sweep(tmp_path, **MATRIX, observers=("min_max", "percentile:percentile=99"), weight_formats=("int4",))
    for observer in ("min_max", "percentile:percentile=99"):
        alone = sweep(tmp_path, **MATRIX, observers=(observer,), weight_formats=("int4",))
        found, expected = rows_of(both, observer), rows_of(alone, observer)
        assert found == expected
    a, b = (np.array(list(rows_of(both, o).values())) for o in ("min_max", "percentile:percentile=99"))
    assert (a != b).any(axis=1).sum() > 15


def test_a_matrix_of_many_layers_and_settings_is_compared_once(tmp_path, monkeypatch):
    """Whole models are compared in leave_one_out: once per setting and batch, not once per item."""
    asked = []
    fingerprint = LayerQuantizer.fingerprint.func
    monkeypatch.setattr(LayerQuantizer, "fingerprint", property(lambda self: asked.append(1) or fingerprint(self)))
    sweep(tmp_path, **MATRIX | {"samples": 8}, method="leave_one_out", weight_formats=("int8", "int6", "int4"))
    assert len(asked) == 21 * 3
