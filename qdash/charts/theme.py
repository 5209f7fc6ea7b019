"""Colours, symbols and layout that mean the same in every picture; readable on a light and on a dark page.

The colours are Okabe and Ito's (2008), safe for colour-blind people. Backgrounds are transparent and text keeps the
page's colour, so nothing here is black or white.
"""

from collections.abc import Collection

import plotly.graph_objects as go

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#8A8A8A"

FP32, QUANTIZED, CHOSEN, LIMIT, BROKEN = GREEN, BLUE, ORANGE, VERMILLION, VERMILLION
WEIGHTS, INPUTS, BOTH = BLUE, ORANGE, GREY
GUIDE = "rgba(138, 138, 138, 0.35)"

SCALE = "Cividis_r"
"""Sequential; the damaged end is the bright one."""

TYPES = ((BLUE, "circle"), (ORANGE, "diamond"), (GREEN, "square"), (PURPLE, "triangle-up"), (SKY, "cross"))
OTHER_TYPES = (GREY, "pentagon")
TITLE_PX, ROW_PX = 34, 20


def type_marks(types: list[str]) -> dict[str, tuple[str, str]]:
    """(colour, symbol) by layer type; the most frequent types have one each, the rest share the last.

    >>> type_marks(["Linear", "Conv2d", "Linear"])
    {'Linear': ('#0072B2', 'circle'), 'Conv2d': ('#E69F00', 'diamond')}
    """
    ordered = sorted(set(types), key=lambda name: (-types.count(name), name))
    return {name: TYPES[i] if i < len(TYPES) else OTHER_TYPES for i, name in enumerate(ordered)}


def log_axis(values: Collection[float]) -> dict[str, object]:
    """Of positive values: a tick per decade, and at 2 and 5 where there are few; written as 0.001 or 1e-5, not 10µ."""
    low, high = (min(values), max(values)) if len(values) else (1.0, 10.0)
    return {"type": "log", "tickformat": "~e" if low < 1e-4 else "~g", "dtick": 1 if high > 100 * low else "D2"}


def laid_out(figure: go.Figure, title: str, height: int, **layout: object) -> go.Figure:
    """The same figure with the common layout; `title` says what the picture shows."""
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left"},
        height=height,
        margin={"l": 8, "r": 12, "t": TITLE_PX, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"align": "left", "namelength": -1},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "title": {"text": ""}},
        dragmode=False,
        modebar={"remove": ["lasso2d", "select2d"]},
    )
    for trace in figure.select_traces(lambda trace: trace.type in ("scatter", "scattergl", "bar")):
        opacity = 1 if trace.marker.opacity is None else trace.marker.opacity
        trace.update(
            selected_marker_opacity=opacity, unselected_marker_opacity=opacity
        )  # the page marks what is selected
    figure.update_xaxes(automargin=True, gridcolor=GUIDE, zeroline=False)
    figure.update_yaxes(automargin=True, gridcolor=GUIDE, zeroline=False)
    return figure.update_layout(**layout)


def nothing_figure(why: str, height: int = 160) -> go.Figure:
    """Where there is nothing to draw: the reason, instead of empty axes."""
    figure = laid_out(go.Figure(), why, height)
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


def line_label(figure: go.Figure, text: str, *, x: float | None = None, y: float | None = None, color: str) -> None:
    """A labelled guide line across the picture: vertical at `x` or horizontal at `y`."""
    style = {"line": {"color": color, "width": 1.5, "dash": "dash"}, "annotation": {"text": text}}
    if x is not None:
        figure.add_vline(x=x, annotation_position="top", **style)
    if y is not None:
        figure.add_hline(y=y, annotation_position="bottom right", **style)
