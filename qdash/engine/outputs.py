"""The model's output against FP32: energies, KL, outcomes and flips per sample."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qdash.engine.reading import Reading
from qdash.engine.scores import ScoreForm
from qdash.errors import ModelError
from qdash.metrics.base import Metric, over_positions
from qdash.tensors.energy import rows_energy, rows_noise
from qdash.tensors.outputs import named_outputs


@dataclass(frozen=True)
class OutputReader:
    """Reads what counts from a model's output and compares it with the reference.

    judged: names of the outputs that SQNR is of, together. weights: of each, 1 over its FP32 energy over the
    calibration set; empty where one is judged alone. scores, form: the output that holds class scores and how; None
    where none does (then KL is not computed). valued: the output that a metric without classes compares with its
    targets, None for all judged ones. ignore_label: marks positions that don't count.
    """

    metric: Metric
    judged: tuple[str, ...]
    scores: str | None = None
    form: ScoreForm | None = None
    valued: str | None = None
    ignore_label: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def read(self, output: object, detach: bool = True) -> Reading:
        """Raises ModelError where the output has lost a part that an earlier one had."""
        found = named_outputs(output)
        wanted = {*self.judged, *filter(None, (self.scores, self.valued))}
        if missing := wanted - found.keys():
            raise ModelError(
                f"the model's output has no {', '.join(sorted(missing))} on this batch (it has: {', '.join(found)}); "
                "return the same parts every time"
            )
        judged = self._together(found)
        scores = None if self.scores is None or self.form is None else self.form.logits(found[self.scores])
        reading = Reading(judged, scores, judged if self.valued is None else found[self.valued])
        return reading.detached() if detach else reading

    def baseline(self, reference: Reading, target: Tensor | None) -> dict[str, Tensor]:
        """(samples,) float64: `signal` = Σ r², `outcome` of the metric."""
        return {"signal": rows_energy(reference.judged), "outcome": self.outcomes(reference, reference, target)}

    def compare(self, output: Reading, reference: Reading, target: Tensor | None) -> dict[str, Tensor]:
        """(samples,) float64: `noise` = Σ (r − r̃)², `energy` = Σ r̃², `dot` = Σ r·r̃, `outcome`; and with classes
        `kl` = KL(FP32 ‖ quantized) in nats, `flipped` = share of changed predictions."""
        judged, expected = output.judged, reference.judged
        found = {
            "noise": rows_noise(expected, judged),
            "energy": rows_energy(judged),
            "dot": (expected.double() * judged.double()).flatten(1).sum(1),
            "outcome": self.outcomes(output, reference, target),
        }
        if output.scores is not None and reference.scores is not None:
            valid = self.valid(target)
            found["kl"] = divergence(reference.scores, output.scores, valid)
            changed = (reference.scores.argmax(1) != output.scores.argmax(1)).double()
            found["flipped"] = over_positions(changed, valid)
        return found

    def outcomes(self, output: Reading, reference: Reading, target: Tensor | None) -> Tensor:
        """(samples,) float64: of the metric."""
        if self.metric.needs_classes:
            assert output.scores is not None, "a metric of classes has class scores"
            assert reference.scores is not None, "a metric of classes has class scores"
            valid = self.valid(target)
            known = target if valid is None or target is None else target.where(valid, 0)
            return self.metric.outcomes(output.scores, reference.scores, known, valid).double()
        return self.metric.outcomes(output.valued, reference.valued, target).double()

    def valid(self, target: Tensor | None) -> Tensor | None:
        """Which labels count, of the labels' shape; None where all do."""
        return None if self.ignore_label is None or target is None else target != self.ignore_label

    def _together(self, found: Mapping[str, Tensor]) -> Tensor:
        if len(self.judged) == 1:
            return found[self.judged[0]]
        parts = [found[name].flatten(1) * self.weights.get(name, 1.0) ** 0.5 for name in self.judged]
        return torch.cat(parts, dim=1)


def divergence(reference: Tensor, output: Tensor, valid: Tensor | None = None) -> Tensor:
    """KL(softmax(reference) ‖ softmax(output)) in nats over axis 1, mean over a sample's positions.

    reference, output: (samples, classes, …); valid: (samples, …) positions that count; the result: (samples,) float64.
    """
    expected = torch.log_softmax(reference.double(), 1)
    got = torch.log_softmax(output.double(), 1)
    return over_positions((expected.exp() * (expected - got)).sum(1), valid)
