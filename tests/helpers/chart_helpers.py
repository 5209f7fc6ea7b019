"""Rows, facts and tensors as the sweep makes them, with chosen numbers."""

from typing import Any

import numpy as np
from histograms import count, sparse

from qdash.calibration.summaries import TensorSummary
from qdash.results.sweep import described
from qdash.spec import Setting

SETTING = Setting(observer="mse", weight_format="int4", activation_format="int8")
METRIC = {
    "name": "accuracy",
    "unit": "%",
    "difference_unit": "points",
    "factor": 100.0,
    "binary": True,
    "higher_is_better": True,
    "needs_classes": True,
}
EMPTY = dict.fromkeys(
    [
        "weight_sqnr_db",
        "input_sqnr_db",
        "layer_output_sqnr_db",
        "layer_output_mse",
        "weights_only_layer_output_sqnr_db",
        "inputs_only_layer_output_sqnr_db",
        "cumulative_sqnr_db",
        "model_output_sqnr_db",
        "model_output_sqnr_db_low",
        "model_output_sqnr_db_high",
        "model_output_mse",
        "model_output_kl",
        "model_output_kl_low",
        "model_output_kl_high",
        "cosine",
        "metric_delta",
        "metric_delta_low",
        "metric_delta_high",
        "flipped",
        "recovered",
    ]
)


def row(layer: str, order: int = 0, *, setting: Setting = SETTING, **values: Any) -> dict[str, Any]:
    """One row of the sweep JSON."""
    fixed = {"layer": layer, "type": "Linear", "order": order, "calls": 1, "params": 100, "macs": 1e3, "note": ""}
    rest = {"settings": described(setting), "method": "one_at_a_time", "status": "ok", "samples": 64, "seconds": 0.1}
    return fixed | EMPTY | rest | values


def kl_rows(values: list[float]) -> list[dict[str, Any]]:
    """Layers l0, l1, … in network order with these model-output KL and intervals of ±10 %."""
    return [
        row(f"l{i}", i, model_output_kl=v, model_output_kl_low=0.9 * v, model_output_kl_high=1.1 * v)
        for i, v in enumerate(values)
    ]


def facts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Facts of the layers in the rows: each a weight of 10 × 10."""
    layers = {
        r["layer"]: {
            **{key: r[key] for key in ("layer", "type", "order", "params", "macs", "note", "calls")},
            "groups": 1,
            "weights": {"weight": {"shape": [10, 10], "axis": 0}},
        }
        for r in rows
    }
    return {"layers": list(layers.values()), "params": 100 * len(layers), "metric": METRIC}


def tensor(values: np.ndarray) -> TensorSummary:
    """The summary of values (samples, channels) as one calibration batch makes it."""
    values = np.asarray(values, np.float32)
    histogram = sparse(count(values))
    low, high = values.min(axis=0).astype(float), values.max(axis=0).astype(float)
    return TensorSummary(
        minimum=np.array(low.min()),
        maximum=np.array(high.max()),
        batch_minimum=np.array([low.min()]),
        batch_maximum=np.array([high.max()]),
        bins=histogram.bins,
        counts=histogram.counts,
        channel_minimum=low,
        channel_maximum=high,
    )


def titles(figure: Any) -> list[str]:
    """The texts of all axis titles that are shown."""
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    return [axis.title.text for axis in axes if axis.title.text]


def clickable(figure: Any) -> set[str]:
    """The layers that a click can select."""
    found: set[str] = set()
    for trace in figure.data:
        if trace.customdata is not None and trace.type in ("scatter", "scattergl"):
            found |= {str(data[0]) for data in trace.customdata}
    return found
