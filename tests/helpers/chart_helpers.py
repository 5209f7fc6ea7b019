"""Rows, facts and tensors as the sweep makes them, with chosen numbers."""

from typing import Any

import numpy as np
from histograms import count, sparse

from qdash.calibration.summaries import TensorSummary
from qdash.records.facts import LayerFacts, MetricFacts, RunFacts, TrainingFacts, WeightFacts
from qdash.results.frontier import Point
from qdash.results.models import Baseline, MeasuredModel
from qdash.results.qat import QatCost, QatResult
from qdash.results.rows import KeyedSetting, LayerRow
from qdash.spec.setting import Setting

SETTING = Setting(observer="mse", weight_format="int4", activation_format="int8")
METRIC = MetricFacts("accuracy", "%", "points", 100.0, binary=True, higher_is_better=True, needs_classes=True)

TRAINING = TrainingFacts(200, 0.01, "distillation (KL)", False, 32, 2.0, 3200)


def row(layer: str, order: int = 0, *, setting: Setting = SETTING, **values: Any) -> LayerRow:
    """One row of a sweep: measured, with no number but the given ones."""
    fixed = {"type": "Linear", "calls": 1, "params": 100, "macs": 1e3, "note": "", "method": "one_at_a_time"}
    rest = {"settings": KeyedSetting.of(setting), "status": "ok", "samples": 64, "seconds": 0.1}
    return LayerRow(layer=layer, order=order, **fixed | rest | values)


def kl_rows(values: list[float], **others: Any) -> list[LayerRow]:
    """Layers l0, l1, … in network order with these model-output KL and intervals of ±10 %."""
    return [
        row(f"l{i}", i, model_output_kl=v, model_output_kl_low=0.9 * v, model_output_kl_high=1.1 * v, **others)
        for i, v in enumerate(values)
    ]


def facts(rows: list[LayerRow]) -> RunFacts:
    """Facts of the layers in the rows: each a weight of 10 × 10."""
    layers = {
        r.layer: LayerFacts(
            r.layer, r.type, order=r.order, params=r.params, macs=r.macs, weights={"weight": WeightFacts((10, 10), 0)}
        )
        for r in rows
    }
    return RunFacts(layers=tuple(layers.values()), params=100 * len(layers), metric=METRIC)


def point(k: int, delta: float, low: float | None = None, high: float | None = None, **values: Any) -> Point:
    """A measured set of k layers, l0 and so on."""
    fixed = {"layers": tuple(f"l{n}" for n in range(k)), "value": 90 + delta, "size_mb": 1.0, "samples": 400}
    return Point(
        **{"k": k, "delta": delta, "low": low, "high": high, "sqnr_db": 20.0, "kl": 0.1, "status": "ok"}
        | fixed
        | values
    )


def measured_model(
    value: float | None = None,
    delta: float | None = None,
    low: float | None = None,
    high: float | None = None,
    sqnr_db: float | None = None,
) -> MeasuredModel:
    """A mixed model on 597 samples; without a value none that was measured."""
    return MeasuredModel(value, delta, low, high, sqnr_db, None, 597, "pending" if value is None else "ok")


def tuned_result(
    fp32: float | None,
    ptq: MeasuredModel,
    qat: MeasuredModel,
    points: float | None = None,
    low: float | None = None,
    high: float | None = None,
    share: float | None = None,
) -> QatResult:
    """A fine-tune with every layer quantized, and what it won back."""
    baseline = Baseline("accuracy", "%", fp32, 597, 1.0)
    setting, cost = KeyedSetting.of(SETTING), QatCost(None, None, None)
    recovered = points, low, high, share
    return QatResult("run", None, (), setting, TRAINING, [], baseline, ptq, qat, *recovered, None, (), cost)


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
