"""The layers page's view: what its controls say, read once per redraw and handed down."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from qdash.answers.agreement import estimates
from qdash.charts.quantities import Quantity
from qdash.charts.ranking import ranking_frame
from qdash.registry import family
from qdash.results.rows import LayerRow
from qdash.ui.view import SweepView


@dataclass(frozen=True, kw_only=True)
class LayerView(SweepView):
    """rows: those of the filter, worst first by the ranked quantity `by`; empty where no name matches.

    top: layers in the ranking. shown: the layer of the panel: the selected one, else the most sensitive one of the
    filter, None where there is none.
    """

    rows: Sequence[LayerRow]
    by: Quantity
    by_network: bool
    top: int
    shown: str | None

    @property
    def estimated(self) -> bool:
        """Whether the method estimates what others measure."""
        return estimates(self.sweep.spec)

    @property
    def trained(self) -> bool:
        """Whether every layer was fine-tuned, so that there is a before and an after."""
        return bool(family("modes").create(self.sweep.spec.mode).trains)

    @property
    def whole(self) -> float | None:
        """The ranked quantity with every layer quantized."""
        whole = self.answer.all_quantized
        known = {"model_output_kl": whole.kl, "model_output_sqnr_db": whole.sqnr_db, "metric_delta": whole.delta}
        return known.get(self.by.key)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The ranking frame, shared and read-only."""
        return ranking_frame(self.rows, self.by, top=self.top, by_network=self.by_network, types=self.types)
