"""All observers and formats of all layers, against the panel of one layer, and what drawing them costs."""

import numpy as np
from chart_helpers import tensor

from qdash.charts import clipping
from qdash.charts.clipping import clipping_frame
from qdash.charts.heatmap import heatmap_figure
from qdash.charts.observers_table import observers_frame, observers_title
from qdash.quant.log_histogram import LogHistogram

RNG = np.random.default_rng(0)
FORMATS = ("int8", "int6", "int4")


def tensors(count):
    shapes = (RNG.normal(0.2, 1.0, (8000, 4)), RNG.normal(0, 1, (8000, 4)).clip(0), RNG.laplace(0, 1, (8000, 4)))
    return {f"block.{i}.conv": tensor(shapes[i % 3].astype(np.float32)) for i in range(count)}


def test_it_says_what_the_panel_of_a_layer_says():
    found = tensors(3)
    frame = observers_frame(found, FORMATS, "affine")
    assert len(frame) == 3 * len(FORMATS) * 5
    for layer, summary in found.items():
        for format in FORMATS:
            mine = frame[(frame["layer"] == layer) & (frame["format"] == format)].set_index("observer")
            one = clipping_frame(summary, format, "affine", "mse").set_index("observer")
            for name in ("low", "high", "step", "zero_point", "clipped_share"):
                assert (mine[name] == one[name]).all(), (layer, format, name)
            assert (mine["value"] == one["sqnr_db"]).all()
    labels = frame.drop_duplicates("column").sort_values("column")["label"].tolist()
    assert labels[0] == "entropy<br>int8"
    assert labels[-1] == "percentile<br>int4"


def test_the_title_names_the_best_observer_where_bits_are_few():
    frame = observers_frame(tensors(6), FORMATS, "affine")
    assert observers_title(frame) == "At int4, mse loses least in 6 of 6 layers"
    assert observers_title(frame, "mse").endswith("; this run's mse is 0.0 dB below the best in the median")
    own = "percentile:percentile=99"
    assert own in set(observers_frame(tensors(2), FORMATS, "affine", own)["observer"])
    assert heatmap_figure(frame, observers_title(frame)).data
    assert observers_title(frame[:0]) == "No range to compare"


def test_a_grid_that_cannot_hold_a_tensor_leaves_its_cells_empty():
    frame = observers_frame(tensors(2), ("uint8",), "symmetric")
    assert set(frame["layer"]) == {"block.1.conv"}  # the others have negative values


def test_each_cell_costs_one_range_and_each_tensor_is_spread_into_cells_once(monkeypatch):
    found, ranges, spread = tensors(20), [], []
    choose, cells = clipping.clipping_range, LogHistogram.cells
    monkeypatch.setattr(clipping, "clipping_range", lambda *given: ranges.append(given) or choose(*given))
    monkeypatch.setattr(LogHistogram, "cells", lambda *given: spread.append(given) or cells(*given))
    frame = observers_frame(found, FORMATS, "affine")
    assert len(ranges) == len(frame) == 20 * len(FORMATS) * 5
    assert len(spread) == 20
