"""What was found out about model, data and machine before the first score: read from and written to stored JSON.

What an older version did not write has a default; what a newer one adds is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import TypeAdapter

Pixels = list[list[int]] | list[list[list[int]]]
"""(H, W) or (H, W, 3), 0–255."""


@dataclass(frozen=True)
class WeightFacts:
    """A weight's shape and its channel axis."""

    shape: tuple[int, ...]
    axis: int = 0


@dataclass(frozen=True)
class LayerFacts:
    """A layer that can be quantized.

    groups: of a convolution. calls: in one forward. tied: modules that share its weight. macs, macs_from_here:
    multiply-accumulates per sample, of the layer and of all that is called from it on. weights: by parameter path.
    """

    layer: str
    type: str = ""
    kind: str = ""
    groups: int = 1
    order: int = 0
    calls: int = 1
    tied: tuple[str, ...] = ()
    params: int = 0
    macs: float = 0.0
    macs_from_here: float = 0.0
    weights: Mapping[str, WeightFacts] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class SkippedModule:
    """A module with parameters that stays as it is, and why; macs: per sample."""

    name: str
    type: str = ""
    params: int = 0
    macs: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Coverage:
    """How much of the model can be quantized; shares are 0 … 1."""

    layers: int = 0
    params_share: float = 0.0
    macs_share: float = 0.0
    skipped: tuple[SkippedModule, ...] = ()


@dataclass(frozen=True)
class SampleFacts:
    """Counts of samples; input: dtype and shape of each input of one sample; output: the shape of its output."""

    evaluation: int = 0
    evaluation_available: int = 0
    calibration: int = 0
    training: int | None = None
    input: tuple[str, ...] = ()
    output: tuple[int, ...] = ()
    evaluation_indices_digest: str = ""
    calibration_indices_digest: str = ""


@dataclass(frozen=True)
class MetricFacts:
    """The run's metric as it is shown: `factor` turns a mean outcome into its unit."""

    name: str = ""
    unit: str = ""
    difference_unit: str = ""
    factor: float = 1.0
    binary: bool = False
    higher_is_better: bool = True
    needs_classes: bool = False

    @property
    def words(self) -> str:
        """The name as words: `mean squared error`."""
        return self.name.replace("_", " ")

    @property
    def axis(self) -> str:
        """For an axis, with the unit."""
        return f"{self.words}, {self.unit}" if self.unit else self.words


@dataclass(frozen=True)
class FoldedNorm:
    """A BatchNorm that was folded into a layer."""

    layer: str
    norm: str


@dataclass(frozen=True)
class Environment:
    """Versions and machine, as far as they change numbers."""

    qdash: str = ""
    torch: str = ""
    numpy: str = ""
    python: str = ""
    platform: str = ""
    device: str = ""
    device_name: str = ""
    threads: int = 0


@dataclass(frozen=True)
class TrainingFacts:
    """How weights are fine-tuned. loss: in words. samples: training samples."""

    steps: int
    learning_rate: float
    loss: str
    learned_scale: bool
    batch_size: int
    epochs: float
    samples: int


@dataclass(frozen=True)
class OutputFacts:
    """One floating output of the model. shape: of one sample. weight: 1 over its FP32 energy over the calibration set,
    where several are judged together; None where it is judged alone, is not judged, or isn't calibrated yet."""

    name: str
    shape: tuple[int, ...] = ()
    judged: bool = True
    weight: float | None = None


@dataclass(frozen=True)
class FirstValue:
    """The FP32 metric, in its unit, over the samples of a first look."""

    metric: str
    value: float
    samples: int


@dataclass(frozen=True)
class PreviewSample:
    """One sample: label and prediction where it has them, its values in words, its pixels where it is a picture."""

    label: int | None
    predicted: int | None
    text: str
    pixels: Pixels | None = None


@dataclass(frozen=True)
class Preview:
    """A few samples. kind: `image` or `values`."""

    kind: str
    samples: tuple[PreviewSample, ...]


@dataclass(frozen=True)
class RunFacts:
    """All of it. macs_per_sample: multiply-accumulates of one FP32 forward. params: of the whole model.

    baseline, seconds_per_sample, preview: of a first look. training: of a run that trains.
    weights_file: of a fine-tune. outputs: of the model, None before they were told apart. no_path: the layers that
    can't reach what is judged. trained_files: artifacts with what layers have learned.
    """

    layers: tuple[LayerFacts, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    macs_per_sample: float = 0.0
    params: int = 0
    samples: SampleFacts = field(default_factory=SampleFacts)
    metric: MetricFacts = field(default_factory=MetricFacts)
    identity: str = ""
    weights_digest: str | None = None
    calibration_file: str = ""
    folded: tuple[FoldedNorm, ...] = ()
    memory_format: str = ""
    notes: tuple[str, ...] = ()
    environment: Environment = field(default_factory=Environment)
    baseline: FirstValue | None = None
    seconds_per_sample: float | None = None
    preview: Preview | None = None
    training: TrainingFacts | None = None
    weights_file: str | None = None
    outputs: tuple[OutputFacts, ...] | None = None
    no_path: tuple[str, ...] | None = None
    trained_files: tuple[str, ...] | None = None

    @cached_property
    def by_layer(self) -> dict[str, LayerFacts]:
        """By name, in network order."""
        return {layer.layer: layer for layer in self.layers}


_FACTS = TypeAdapter(RunFacts)


def read_facts(stored: Mapping[str, object]) -> RunFacts:
    """Raises ValueError where the JSON holds something else than facts."""
    return _FACTS.validate_python(stored)


def as_stored(facts: RunFacts) -> dict[str, object]:
    """As JSON; what is not known (yet) is left out, and so are the pixels of samples that are no pictures."""
    values: dict[str, object] = _FACTS.dump_python(facts, mode="json", exclude=_missing_pixels(facts))
    return {name: value for name, value in values.items() if value is not None}


def _missing_pixels(facts: RunFacts) -> dict[str, dict[str, dict[int, set[str]]]]:
    samples = facts.preview.samples if facts.preview else ()
    return {"preview": {"samples": {i: {"pixels"} for i, sample in enumerate(samples) if sample.pixels is None}}}
