"""One layer under one setting, and what is compared with FP32 at all; the fields are those of the sweep JSON."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from qdash.registry import family
from qdash.spec.setting import Setting

Status = Literal["ok", "non_finite", "pending", "no_path"]
"""Measured; NaN or Inf came out; nothing was measured yet; the layer can't reach what is judged."""


@dataclass(frozen=True)
class KeyedSetting:
    """A setting with its key, which is a hash: asked for at every row, made once."""

    setting: Setting
    key: str

    @classmethod
    def of(cls, setting: Setting) -> "KeyedSetting":
        """With its key."""
        return cls(setting, setting.key)

    def described(self) -> dict[str, object]:
        """As JSON."""
        return self.setting.model_dump(mode="json") | {"key": self.key}


@dataclass(frozen=True, kw_only=True)
class LayerIdentity:
    """Which layer, how quantized, how measured. macs: multiply-accumulates per sample."""

    layer: str
    type: str
    order: int
    calls: int
    params: int
    macs: float
    note: str
    settings: KeyedSetting
    method: str


@dataclass(frozen=True, kw_only=True)
class OwnErrors:
    """The layer alone, on its FP32 input; cumulative: at its output with every layer quantized. None: unknown."""

    weight_sqnr_db: float | None = None
    input_sqnr_db: float | None = None
    layer_output_sqnr_db: float | None = None
    layer_output_mse: float | None = None
    weights_only_layer_output_sqnr_db: float | None = None
    inputs_only_layer_output_sqnr_db: float | None = None
    cumulative_sqnr_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """The model's output against FP32 on the same samples, with 95 % intervals.

    KL in nats, mean over samples. metric_delta: in the metric's difference unit. flipped: 0 … 1.
    """

    model_output_sqnr_db: float | None = None
    model_output_sqnr_db_low: float | None = None
    model_output_sqnr_db_high: float | None = None
    model_output_mse: float | None = None
    model_output_kl: float | None = None
    model_output_kl_low: float | None = None
    model_output_kl_high: float | None = None
    cosine: float | None = None
    metric_delta: float | None = None
    metric_delta_low: float | None = None
    metric_delta_high: float | None = None
    flipped: float | None = None
    status: Status = "pending"


@dataclass(frozen=True)
class Outcome:
    """A model under test: the metric in its unit, None where it isn't known, and its output against FP32."""

    value: float | None
    output: ModelOutput


@dataclass(frozen=True, kw_only=True)
class EstimateParts:
    """What only a gradient estimate tells: the parts of weights and inputs at the model's output, the loss change in
    nats, and how far (standard error) the random signs let the SQNR stray from that of many passes."""

    weights_only_model_output_sqnr_db: float | None = None
    inputs_only_model_output_sqnr_db: float | None = None
    loss_change: float | None = None
    model_output_sqnr_db_se: float | None = None


@dataclass(frozen=True, kw_only=True)
class BeforeTraining:
    """What a fine-tuned layer did before that, quantized alone as now; None for others."""

    ptq_model_output_sqnr_db: float | None = None
    ptq_model_output_kl: float | None = None
    ptq_metric_delta: float | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Of a sweep that runs until decided: `safe`, `sensitive` or `undecided`, and then what would decide it."""

    decision: str | None = None
    samples_to_decide: int | None = None


# Fields stand in the order of the last base first, which is the order of the JSON.
@dataclass(frozen=True, kw_only=True)
class LayerRow(Decision, BeforeTraining, EstimateParts, ModelOutput, OwnErrors, LayerIdentity):
    """One layer under one setting. recovered: of the metric, over the all-quantized model. rank: from 1, 0 for none."""

    estimated: bool = False
    recovered: float | None = None
    samples: int = 0
    seconds: float | None = None
    rank: int = 0

    def number(self, key: str) -> float | None:
        """A quantity by its name in the sweep JSON, None where there is none."""
        value: float | None = getattr(self, key, None)
        return value

    @property
    def remaining(self) -> bool:
        """Whether the model's output is what remains with only this layer in FP32."""
        return measures_remaining(self.method)


@lru_cache
def measures_remaining(method: str) -> bool:
    """Of a method's text, with options."""
    return bool(family("methods").create(method).measures_remaining)
