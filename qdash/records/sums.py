"""The sums that scores carry, by name, with what each adds up; a score has those that its method makes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class ScoreSums:
    """Over the samples of a score, or of many; None for a sum that is not there.

    Of the model's output, y in FP32 and ỹ under test (an estimate has noise, kl and parts of an estimate):
    signal: Σy². noise: Σ(y − ỹ)². dot: Σy·ỹ. energy: Σỹ². count: elements. kl: nats, one per sample. flipped: samples
    whose class changes. outcome: the metric's outcomes, before its factor. samples: how many. noise_variance: of
    `noise`, from random signs. weights_noise, inputs_noise: parts of `noise`. loss_change: nats, one per sample.
    ptq_noise, ptq_kl, ptq_outcome: before a fine-tune.

    Of the layer alone, on its FP32 input: *_signal, *_noise: Σx² and Σ(x − x̃)² of its weights, input and output.
    output_count: elements of the output. weights_only_noise, inputs_only_noise: of the output, one of both quantized.

    loss: of a training step, times its samples. seconds: what measuring took.
    """

    signal: float | None = None
    noise: float | None = None
    dot: float | None = None
    energy: float | None = None
    count: float | None = None
    kl: float | None = None
    flipped: float | None = None
    outcome: float | None = None
    samples: float | None = None
    noise_variance: float | None = None
    weights_noise: float | None = None
    inputs_noise: float | None = None
    loss_change: float | None = None
    ptq_noise: float | None = None
    ptq_kl: float | None = None
    ptq_outcome: float | None = None
    weight_signal: float | None = None
    weight_noise: float | None = None
    input_signal: float | None = None
    input_noise: float | None = None
    output_signal: float | None = None
    output_noise: float | None = None
    output_count: float | None = None
    weights_only_noise: float | None = None
    inputs_only_noise: float | None = None
    loss: float | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, float]) -> "ScoreSums":
        """From sums by name; a method's own ones that nobody here reads are passed over."""
        return cls(**{name: value for name, value in values.items() if name in _NAMES})


_NAMES = frozenset(f.name for f in fields(ScoreSums))


def mean(total: float | None, samples: float | None) -> float | None:
    """Of a sum over samples; None where one is not there.

    >>> mean(3.0, 2.0), mean(None, 2.0), mean(3.0, 0.0)
    (1.5, None, None)
    """
    return total / samples if total is not None and samples else None
