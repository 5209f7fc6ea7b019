"""Why a layer hurts, in sentences that its numbers carry."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from qdash.calibration.summaries import LayerSummary, TensorSummary
from qdash.modes.base import Mode
from qdash.quant.cells import magnitudes, quantile
from qdash.registry import family
from qdash.results.rows import LayerRow
from qdash.results.text import decibels, plural, share
from qdash.spec.setting import Setting, quantizes_inputs

WIDE = 4.0  # a channel this many times the median range leaves the others a quarter of the levels, 2 bits less
OUTLIERS = 4.0  # the same for the largest value against the 99.9 % quantile
NOTICEABLE_DB = 6.0  # about one bit
MOST = 0.8
DAMAGES = ("model_output_kl", "model_output_mse")
Place = Literal["layer_output", "model_output"]


def concentration(rows: Sequence[LayerRow], share_of_damage: float = MOST) -> tuple[list[str], int] | None:
    """The fewest layers that make this share of the damage added up over single layers, and how many were measured.

    Damage: model-output KL, else the noise energy of the model's output. None where that isn't known for all, or where
    the method doesn't quantize one layer at a time.
    """
    if not rows or any(row.remaining or row.status != "ok" for row in rows):
        return None
    kl, mse = ([(value, row) for row in rows if (value := row.number(key)) is not None] for key in DAMAGES)
    known = kl if len(kl) == len(rows) else mse
    if len(known) < len(rows):
        return None
    ordered = sorted(known, key=lambda found: -found[0])
    summed = np.cumsum([max(0.0, damage) for damage, _ in ordered])
    if summed[-1] <= 0:
        return None
    many = int(np.searchsorted(summed, share_of_damage * summed[-1])) + 1
    return [row.layer for _, row in ordered[:many]], len(rows)


def attribution_place(row: LayerRow) -> Place:
    """Where the row tells weights and inputs apart: at the model's output only where that was estimated."""
    own, whole = row.weights_only_layer_output_sqnr_db, row.weights_only_model_output_sqnr_db
    return "model_output" if whole is not None and own is None else "layer_output"


def weights_share(row: LayerRow) -> float | None:
    """The weights' part of the noise that weights and inputs make one at a time, 0 … 1; None where one is missing."""
    where = attribution_place(row)
    weights, inputs = (_noise(row.number(f"{part}_only_{where}_sqnr_db")) for part in ("weights", "inputs"))
    if weights is None or inputs is None or not 0 < weights + inputs < math.inf:
        return None
    return weights / (weights + inputs)


def diagnosis(row: LayerRow, others: Sequence[LayerRow], summary: LayerSummary | None, setting: Setting) -> list[str]:
    """Sentences on one layer, the most telling first; empty where nothing stands out.

    others: the same layer under the run's other settings. summary: of the calibration, None
    where its file is gone.
    """
    if row.status != "ok":
        broken = "Quantized, it makes NaN or Inf in the model's output." if row.status == "non_finite" else ""
        return [broken or "It is not measured yet."]
    part = weights_share(row)
    found = [_training(row), _attribution(part, setting, attribution_place(row)), _path(row)]
    if summary is not None:
        weights_matter = part is None or part >= 1 - MOST
        inputs_matter = setting.fixes_input_ranges and (part is None or part <= MOST)
        found += [_weight_channels(summary, setting) if weights_matter else ""]
        found += [_input_spread(summary.input) if inputs_matter else ""]
        found.append(_dead(summary))
    found.append(_better_setting(row, others))
    return [sentence for sentence in found if sentence]


def _training(row: LayerRow) -> str:
    before, after = row.ptq_model_output_sqnr_db, row.model_output_sqnr_db
    if before is None or after is None:
        return ""
    return f"Fine-tuned alone, it gives {decibels(after)} at the model's output instead of {decibels(before)}."


def _attribution(part: float | None, setting: Setting, place: str) -> str:
    if part is None:
        return "Only its weights are quantized." if not quantizes_inputs(setting.mode) else ""
    who, how_much = ("weights", part) if part >= 0.5 else ("inputs", 1 - part)
    where = "at its own output" if place == "layer_output" else "that it makes at the model's output (estimated)"
    return f"Its {who} make {share(how_much)} of the noise {where}."


def _path(row: LayerRow) -> str:
    own, whole = row.layer_output_sqnr_db, row.model_output_sqnr_db
    if own is None or whole is None or not _comparable(own, whole) or row.remaining:
        return ""
    how = "amplify" if whole < own else "absorb"
    said = f"Its own output has {decibels(own)}, the model's output {decibels(whole)}"
    return f"{said}: the layers after it {how} the error."


def _comparable(own: float, whole: float) -> bool:
    return math.isfinite(own) and math.isfinite(whole) and abs(own - whole) >= NOTICEABLE_DB


def _weight_channels(summary: LayerSummary, setting: Setting) -> str:
    spreads = [wide_channels(tensor) for tensor in summary.weights.values()]
    wide, channels, times = max(spreads, key=lambda spread: spread[2], default=(0, 0, 0.0))
    levels = _levels(setting.weight_format, setting.weight_scheme)
    if not wide:
        return f"Its weight channels are alike in range, with {levels}." if levels else ""
    said = _wide_text("weight", wide, channels, times)
    if setting.shares_one_weight_scale:
        return f"{said}, and all share one scale: one scale per channel would leave the others more levels."
    return f"{said}; each has a scale of its own already."


def _input_spread(tensor: TensorSummary) -> str:
    typical = float(quantile(magnitudes(tensor.statistics().cells), 0.999)[0])
    largest = max(abs(float(tensor.minimum)), abs(float(tensor.maximum)))
    if typical > 0 and largest >= OUTLIERS * typical:
        return (
            f"Its largest input is {largest / typical:.0f} times the 99.9 % quantile (from histogram): outliers "
            "stretch the range, unless the observer clips them."
        )
    wide, channels, times = wide_channels(tensor)
    return f"{_wide_text('input', wide, channels, times)}." if wide else ""


def _wide_text(what: str, wide: int, channels: int, times: float) -> str:
    reach = "reaches" if wide == 1 else "reach"
    of = f"{wide} of {plural(channels, f'{what} channel')}"
    return f"{of} {reach} {WIDE:g} times the median range or more (at most {times:.0f})"


def _dead(summary: LayerSummary) -> str:
    weights = sum(dead_channels(tensor) for tensor in summary.weights.values())
    inputs = dead_channels(summary.input)
    said = [plural(n, f"{what} channel") for n, what in ((weights, "weight"), (inputs, "input")) if n]
    return f"{' and '.join(said).capitalize()} held only zeros." if said else ""


def _better_setting(row: LayerRow, others: Sequence[LayerRow]) -> str:
    key = "layer_output_sqnr_db" if row.remaining else "model_output_sqnr_db"
    measured = [(value, other) for other in others if other.status == "ok" and (value := other.number(key)) is not None]
    best, own = max(measured, key=lambda found: found[0], default=None), row.number(key)
    if best is None or own is None or best[0] - own < NOTICEABLE_DB:
        return ""
    what = "its own output" if row.remaining else "the model's output"
    found = "estimates" if row.estimated and not row.remaining else "measured"
    label = best[1].settings.setting.label
    return f"With {label} this run {found} {decibels(best[0])} at {what} instead of {decibels(own)}."


def shares_one_scale(setting: Setting) -> bool:
    """Whether a whole weight has one scale."""
    return bool(family("granularities").create(setting.weight_granularity).scales(2, 2) == 1)


def wide_channels(tensor: TensorSummary) -> tuple[int, int, float]:
    """(channels at least WIDE times as wide as the median, channels, how many times the widest is)."""
    width = np.maximum(tensor.channel_maximum, 0.0) - np.minimum(tensor.channel_minimum, 0.0)
    alive = width[width > 0]
    if len(width) < 2 or not len(alive):
        return 0, len(width), 0.0
    times = width / np.median(alive)
    return int((times >= WIDE).sum()), len(width), float(times.max())


def dead_channels(tensor: TensorSummary) -> int:
    """Channels that hold only zeros."""
    return int(((tensor.channel_minimum == 0) & (tensor.channel_maximum == 0)).sum())


def _mode(setting: Setting) -> Mode:
    found: Mode = family("modes").create(setting.mode)
    return found


def _calibrates_inputs(setting: Setting) -> bool:
    mode = _mode(setting)
    return mode.quantizes_inputs and not mode.live_ranges


def _levels(format: str, scheme: str) -> str:
    limits = getattr(family("formats").create(format), "limits", None)
    if limits is None:
        return ""
    low, high = limits(scheme)
    return f"{high - low + 1:,} levels of {format}"


def _noise(sqnr_db: float | None) -> float | None:
    """Relative to the signal; None where it isn't known."""
    if sqnr_db is None or math.isnan(sqnr_db):
        return None
    return 0.0 if sqnr_db == math.inf else math.inf if sqnr_db == -math.inf else float(10 ** (-sqnr_db / 10))
