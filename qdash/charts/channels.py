"""The range of every channel: one scale for all of them wastes levels where a few are far wider than the rest."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qdash.calibration.summaries import TensorSummary
from qdash.charts import theme
from qdash.results.text import plural

WIDE = 4.0  # times the median range
BARS = 2000


def channels_frame(tensor: TensorSummary) -> pd.DataFrame:
    """One row per channel: channel, low, high, width (of the range with 0 in it), times_median, dead (only zeros).

    The median is taken over channels that are not dead; times_median is 0 where all are.
    """
    low, high = tensor.channel_minimum, tensor.channel_maximum
    width = np.maximum(high, 0.0) - np.minimum(low, 0.0)
    dead = width == 0
    median = float(np.median(width[~dead])) if (~dead).any() else 0.0
    times = width / median if median else np.zeros_like(width)
    return pd.DataFrame(
        {"channel": np.arange(len(low)), "low": low, "high": high, "width": width, "times_median": times, "dead": dead}
    )


def channels_figure(frame: pd.DataFrame, what: str) -> go.Figure:
    """A bar from minimum to maximum per channel. what: "weights" or "inputs"."""
    title = channels_title(frame, what)
    if len(frame) < 2:
        return theme.nothing_figure(title)
    color = theme.WEIGHTS if what == "weights" else theme.INPUTS
    figure = go.Figure()
    if len(frame) <= BARS:
        _add_bars(figure, frame, color)
    else:
        for end, fill in (("low", None), ("high", "tonexty")):
            line = {"color": color, "width": 1}
            figure.add_scatter(x=frame["channel"], y=frame[end], mode="lines", line=line, fill=fill, name=end)
    dead = frame[frame["dead"]]
    if len(dead):
        figure.add_scatter(
            x=dead["channel"],
            y=np.zeros(len(dead)),
            mode="markers",
            name="only zeros",
            marker={"symbol": "x", "size": 9, "color": theme.BROKEN},
            hovertemplate="channel %{x}: only zeros<extra></extra>",
        )
    theme.laid_out(figure, title, 280, showlegend=bool(len(dead)))
    axis = "output channel" if what == "weights" else "input channel"
    figure.update_xaxes(title=axis, showgrid=False)
    figure.update_yaxes(title=f"{what}, minimum to maximum")
    return figure


def channels_title(frame: pd.DataFrame, what: str) -> str:
    """The widest channel against the median one, and the dead ones."""
    if len(frame) < 2:
        return f"The {what} have one channel"
    widest = frame.loc[frame["width"].idxmax()]
    dead = int(frame["dead"].sum())
    ending = f"; {plural(dead, 'channel')} only zeros" if dead else ""
    if dead == len(frame):
        return f"All {len(frame)} channels of the {what} hold only zeros"
    wide = int((frame["times_median"] >= WIDE).sum())
    if wide:
        times = f"{widest['times_median']:.0f} times"
        return (
            f"{wide} of {plural(len(frame), 'channel')} of the {what} {'is' if wide == 1 else 'are'} at least "
            f"{WIDE:g} times as wide as the median, the widest {times}{ending}"
        )
    return (
        f"The {len(frame)} channels of the {what} are alike: the widest is {widest['times_median']:.1f} times "
        f"the median{ending}"
    )


def _add_bars(figure: go.Figure, frame: pd.DataFrame, color: str) -> None:
    figure.add_bar(
        x=frame["channel"],
        base=frame["low"],
        y=frame["high"] - frame["low"],
        name="range",
        marker={"color": color},
        customdata=np.stack([frame["low"], frame["high"], frame["times_median"]], axis=1),
        hovertemplate="channel %{x}<br>%{customdata[0]:.4g} to %{customdata[1]:.4g}<br>%{customdata[2]:.2g} times the "
        "median range<extra></extra>",
    )
