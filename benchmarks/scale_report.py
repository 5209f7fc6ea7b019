"""Scale as text and as a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

_COLUMNS = (
    "network",
    "method",
    "layers",
    "samples",
    "CPU s",
    "forwards",
    "plain inference, s",
    "peak MB",
    "plain MB",
    "allowed MB",
)
COLOURS = {"exact": "#0072B2", "gradient": "#D55E00"}  # Okabe and Ito: safe for colour-blind people


@dataclass(frozen=True)
class Sized:
    """One sweep. cost: of its JSON; plain: of plain inference over the same samples."""

    name: str
    method: str
    layers: int
    samples: int
    cost: dict[str, Any]
    plain: dict[str, float]

    @property
    def cpu_s(self) -> float:
        """Without the start and the imports."""
        return float(self.cost["cpu_s"])

    @property
    def peak_mb(self) -> float:
        """The largest resident set of the sweep's process, libraries in."""
        return float(self.cost["peak_rss_mb"])

    @property
    def allowed_mb(self) -> float:
        """1.5 × plain inference and one recorded batch."""
        return 1.5 * self.plain["peak_rss_mb"] + self.plain["recorded_mb"]


@dataclass(frozen=True)
class Drawn:
    """Seconds until the chart of a result stands in a browser, of several visits: see `drawing`."""

    layers: int
    fresh: Sequence[float]
    again: Sequence[float]


def report(rows: Sequence[Sized], drawn: Drawn | None) -> str:
    """The tables in Markdown."""
    lines = [
        "# Scale",
        "",
        f"Measured {datetime.now(UTC).date().isoformat()} by `python -m benchmarks.scale`, one thread. CPU seconds of "
        "the work; forwards: multiply-accumulates of the whole command over those of one pass, counted; "
        "peak: largest resident set of the process, libraries in; allowed: 1.5 × the peak of plain inference plus one "
        "recorded batch.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
        *(_line(row) for row in rows),
    ]
    if drawn is not None:
        fresh, again = (", ".join(f"{s:.2f}" for s in seconds) for seconds in (drawn.fresh, drawn.again))
        lines += [
            "",
            f"The Layers page of a result of {drawn.layers:,} layers, from the click to its chart: {again} s in a tab "
            f"that has drawn before, {fresh} s in a fresh one, which loads Plotly's 4.7 MB first.",
        ]
    return "\n".join(lines) + "\n"


def figure(rows: Sequence[Sized]) -> go.Figure:
    """CPU seconds of the chain against layers and against samples, both axes logarithmic."""
    drawn = make_subplots(1, 2, subplot_titles=("layers, at the fewest samples", "samples, at the fewest layers"))
    chain = [row for row in rows if row.name == "chain"]
    fewest = {"layers": min(row.layers for row in chain), "samples": min(row.samples for row in chain)}
    for column, (axis, fixed) in enumerate((("layers", "samples"), ("samples", "layers")), start=1):
        for method, colour in COLOURS.items():
            line = [row for row in chain if row.method == method and getattr(row, fixed) == fewest[fixed]]
            line.sort(key=lambda row: getattr(row, axis))
            x, y = [getattr(row, axis) for row in line], [row.cpu_s for row in line]
            style = {"name": method, "legendgroup": method, "showlegend": column == 1, "line_color": colour}
            drawn.add_trace(go.Scatter(x=x, y=y, mode="lines+markers", **style), 1, column)
        drawn.update_xaxes(type="log", title=axis, row=1, col=column)
    return drawn.update_yaxes(type="log", title="CPU s")


def _line(row: Sized) -> str:
    cells = (
        row.name,
        row.method,
        f"{row.layers:,}",
        f"{row.samples:,}",
        f"{row.cpu_s:.2f}",
        f"{row.cost['forward_equivalents']:.1f}",
        f"{row.plain['cpu_s']:.2f}",
        f"{row.peak_mb:.0f}",
        f"{row.plain['peak_rss_mb']:.0f}",
        f"{row.allowed_mb:.0f}{'' if row.peak_mb <= row.allowed_mb else ' (over)'}",
    )
    return f"| {' | '.join(cells)} |"
