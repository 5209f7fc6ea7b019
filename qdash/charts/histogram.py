"""How the values of a tensor are spread, and which part of them every observer keeps."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from qdash.calibration.summaries import TensorSummary
from qdash.charts import theme
from qdash.quant.cells import Cells, quantile
from qdash.results.text import decibels, share

BINS = 20, 120
STRETCHED_ABOVE = 25  # times as wide as the central 99 % of the values: then the axis is stretched around zero


def histogram_frame(tensor: TensorSummary) -> pd.DataFrame:
    """left, right (edges), share (of all values) of up to 120 bins from the tensor's minimum to its maximum.

    Few values make fewer bins. Bins are equally wide, or, where a few values lie far out, equally wide on the axis
    sinh⁻¹(x/unit): then `frame.attrs["unit"]` is that unit, else 0.
    """
    cells = tensor.statistics().cells
    low, high = float(tensor.minimum), float(tensor.maximum)
    unit, total = _unit(cells, low, high), float(cells.mass.sum())
    bins = int(np.clip(2 * np.sqrt(total), *BINS))
    ends = np.array([low, high]) if high > low else np.array([low - 0.5, high + 0.5])
    low, high = np.arcsinh(ends / unit) if unit else ends
    edges = np.linspace(low, high, bins + 1)
    edges = np.sinh(edges) * unit if unit else edges
    edges[0], edges[-1] = ends
    part = _binned(cells, edges) / total if total else np.zeros(bins)
    frame = pd.DataFrame({"left": edges[:-1], "right": edges[1:], "share": part})
    frame.attrs["unit"] = unit
    return frame


def histogram_figure(frame: pd.DataFrame, ranges: pd.DataFrame, what: str) -> go.Figure:
    """The distribution over the ranges of all observers on one axis.

    what: "weights" or "inputs"; ranges: a `clipping_frame`.
    """
    unit = float(frame.attrs.get("unit", 0.0))
    rows = 2 if len(ranges) else 1
    lanes = 34 + 24 * len(ranges)
    figure = make_subplots(rows=rows, shared_xaxes=True, vertical_spacing=0.05, row_heights=[240, lanes][:rows])
    left, right = _place(frame["left"], unit), _place(frame["right"], unit)
    hover = [
        f"{a:.4g} to {b:.4g}<br>{_percent(part)} of the values"
        for a, b, part in zip(frame["left"], frame["right"], frame["share"], strict=True)
    ]
    figure.add_bar(
        x=(left + right) / 2,
        y=frame["share"].where(frame["share"] > 0) * 100,
        width=right - left,
        marker={"color": theme.WEIGHTS if what == "weights" else theme.INPUTS, "line": {"width": 0}},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        row=1,
        col=1,
    )
    for own in ranges[ranges["own"]].to_dict("records"):
        for end in (own["low"], own["high"]):
            figure.add_vline(x=float(_place(end, unit)), line={"color": theme.LIMIT, "dash": "dash"}, row=1, col=1)
    if len(ranges):
        _add_lanes(figure, ranges, unit)
    theme.laid_out(figure, histogram_title(ranges, what), 330 + lanes * (rows - 1), showlegend=False, bargap=0)
    shares = frame["share"][frame["share"] > 0] * 100
    figure.update_yaxes(theme.log_axis(shares), title="share of values, %", row=1, col=1)
    figure.update_xaxes(_ticks(frame, unit))
    figure.update_xaxes(title=f"value of the {what}" + (" (axis stretched around 0)" if unit else ""), row=rows, col=1)
    return figure


def histogram_title(ranges: pd.DataFrame, what: str) -> str:
    """What the run's range costs, and which observer's range would cost least, as the histogram tells."""
    own = ranges[ranges["own"]]
    if own.empty:
        return f"How the {what} are spread"
    mine, best = own.iloc[0], ranges.loc[ranges["sqnr_db"].idxmax()]
    said = f"{what.capitalize()}, one scale: {mine['observer']} gives {decibels(mine['sqnr_db'])}"
    if math.isfinite(best["sqnr_db"]) and best["sqnr_db"] - mine["sqnr_db"] >= 1:
        return f"{said}; {best['observer']} would give {decibels(best['sqnr_db'])}"
    return f"{said}, no observer is more than 1 dB better"


def _unit(cells: Cells, low: float, high: float) -> float:
    """Where the stretched axis turns from even to logarithmic; 0: the plain axis serves."""
    if not cells.mass.sum():
        return 0.0
    central = quantile(cells, 0.995)[0] - quantile(cells, 0.005)[0]
    return float(central / 2) if 0 < central * STRETCHED_ABOVE < high - low else 0.0


def _binned(cells: Cells, edges: np.ndarray) -> np.ndarray:
    """The mass in each bin."""
    low, high, mass = (part[0] for part in cells)
    points = low == high
    counts, _ = np.histogram(low[points], edges, weights=mass[points])
    low, high, mass = low[~points], high[~points], mass[~points]
    if len(low):
        order = np.argsort(low)
        ends = np.stack([low[order], high[order]], axis=1).ravel()
        summed = np.cumsum(mass[order])
        below = np.stack([summed - mass[order], summed], axis=1).ravel()
        counts = counts + np.diff(np.interp(edges, ends, below))
    return np.asarray(counts, np.float64)


def _add_lanes(figure: go.Figure, ranges: pd.DataFrame, unit: float) -> None:
    """A bar from low to high for every observer, the run's own one in its own colour and named so."""
    for color, part in ((theme.GREY, ranges[~ranges["own"]]), (theme.LIMIT, ranges[ranges["own"]])):
        low, high = _place(part["low"], unit), _place(part["high"], unit)
        figure.add_bar(
            base=low,
            x=high - low,
            y=[_lane(row) for row in part.to_dict("records")],
            orientation="h",
            width=0.6,
            marker={"color": color, "opacity": 0.8},
            customdata=[_range_hover(row) for row in part.to_dict("records")],
            hovertemplate="%{customdata}<extra></extra>",
            row=2,
            col=1,
        )
    order = [_lane(row) for row in ranges.sort_values("own").to_dict("records")]
    figure.update_yaxes(title="range kept", categoryorder="array", categoryarray=order, showgrid=False, row=2, col=1)


def _lane(row: dict[str, object]) -> str:
    return f"<b>{row['observer']} (this run)</b>" if row["own"] else str(row["observer"])


def _range_hover(row: dict[str, float]) -> str:
    source = "from histogram" if row["from_histogram"] else "exact range"
    return (
        f"<b>{row['observer']}</b>, {source}<br>{row['low']:.4g} to {row['high']:.4g}<br>step {row['step']:.4g}, "
        f"zero point {row['zero_point']}<br>{share(row['clipped_share'])} of the values clipped, "
        f"{share(row['saturated_share'])} saturated<br>"
        f"SQNR {decibels(row['sqnr_db'])}, from histogram"
    )


def _place(x: "pd.Series | float", unit: float) -> "pd.Series | float":
    return np.arcsinh(x / unit) if unit else x


def _ticks(frame: pd.DataFrame, unit: float) -> dict[str, object]:
    if not unit:
        return {}
    low, high = frame["left"].iloc[0], frame["right"].iloc[-1]
    powers = 10.0 ** np.arange(math.floor(math.log10(unit)), math.ceil(math.log10(max(-low, high))) + 1)
    values = [v for v in [*-powers[::-1], 0.0, *powers] if low <= v <= high]
    return {"tickvals": [float(np.arcsinh(v / unit)) for v in values], "ticktext": [f"{v:g}" for v in values]}


def _percent(part: float) -> str:
    return f"{part * 100:.3g} %"
