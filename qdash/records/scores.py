"""What an engine yields and a store keeps: plain data, no tensors, no screens. Sums and counts, never dB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

ScoreKind = Literal["baseline", "all_quantized", "cumulative", "layer", "measurement", "training"]


@dataclass(frozen=True)
class Score:
    """One measurement on one batch; rows are idempotent under (kind, subject, setting, batch).

    subject: the layer; "" for the baseline and the all-quantized model; the key of a set for a measurement.
    setting: `Setting.key`, "" for the baseline.
    sums: float64 sums and counts by name, see `records.sums`. samples: float32 arrays of shape (samples in the
    batch,) by name.
    """

    kind: ScoreKind
    subject: str
    setting: str
    batch: int
    sums: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What was found out about model, data and machine: fields of `records.facts.RunFacts` as they are stored."""

    values: Mapping[str, object]


@dataclass(frozen=True)
class Progress:
    """Where a job stands. `position` is opaque text from which it goes on, None when it is finished.

    done, total: work in multiply-accumulates. message: for a person. spent: what this slice cost, to be added up
    (`macs` executed, `cpu_s`), and `peak_rss_mb`, of which the largest counts.
    """

    position: str | None
    done: float
    total: float
    message: str = ""
    spent: Mapping[str, float] = field(default_factory=dict)


Record = Score | Facts | Progress
