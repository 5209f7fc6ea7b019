"""The layers page's question answered in one sentence."""

from qdash.charts.agreement import frame_agreement
from qdash.charts.names import short_names
from qdash.charts.ranking_title import ranking_title
from qdash.results.diagnosis import concentration
from qdash.results.text import plural
from qdash.ui.layers.agreement import estimated_and_measured
from qdash.ui.layers.view import LayerView

NAMED, WIDTH = 3, 28


def answer(view: LayerView) -> str:
    """The page's question answered in one sentence with numbers."""
    found = concentration(view.layers)
    samples = plural(max((row.samples for row in view.layers), default=0), "sample")
    trust = _trust(view) if view.estimated else ""
    if found is None:
        return f"{ranking_title(view.frame, view.by, view.whole)}{f' ({trust})' if trust else ''}."
    worst, measured = found
    names = ", ".join(short_names(worst, WIDTH)[:NAMED]) + (" and others" if len(worst) > NAMED else "")
    does, basis = "does" if len(worst) == 1 else "do", ", ".join(filter(None, (samples, trust)))
    return f"{len(worst)} of {plural(measured, 'layer')} {does} 80 % of the damage: {names} ({basis})."


def _trust(view: LayerView) -> str:
    found = frame_agreement(estimated_and_measured(view)).short
    return f"estimated from gradients{found and f'; {found}'}"
