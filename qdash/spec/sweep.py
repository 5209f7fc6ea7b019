"""What is asked for: frozen, validated, and the same text on the command line, in the store and on the pages."""

from itertools import product
from typing import Literal

from pydantic import Field, model_validator

from qdash.registry import Frozen, family
from qdash.spec.fields import (
    AUTO,
    Data,
    Executor,
    File,
    Format,
    Granularity,
    MemoryFormat,
    Method,
    Metric,
    Mode,
    Model,
    Observer,
    Scheme,
)
from qdash.spec.layers import matches
from qdash.spec.setting import Setting, check_input_granularity, quantizes_inputs

_SEVERAL = "one or more, comma-separated; see: list {}"


class Source(Frozen):
    """Where the model and the samples come from, which samples are used, and what is looked at besides modules."""

    model: Model = Field(description="such as demo:NAME or python:FILE.py:CALLABLE; see: list models")
    weights: File | None = Field(None, description="weights: .safetensors, or .pt/.pth/.th read safely")
    weights_key: str | None = Field(None, min_length=1, description="the file's entry to read, where several fit")
    data: Data = Field(description="such as demo:NAME, FILE.npz or python:FILE.py:CALLABLE; see: list datasets")
    calibration_data: Data | None = Field(None, description="calibrate on another set; else DATA is split")
    training_data: Data | None = Field(
        None, description="fine-tune on this set; else DATA's training split or the calibration samples"
    )
    metric: Metric = Field("accuracy", description="see: list metrics")
    output: str | None = Field(None, min_length=1, description="the output that is judged: index, key or path, or all")
    class_axis: int | None = Field(None, description="of the output that is judged: where its classes lie")
    ignore_label: int | None = Field(None, description="marks positions that don't count")
    samples: int | None = Field(None, ge=1, description="evaluation samples; default: all")
    calibration_samples: int | None = Field(None, ge=1, description="default: up to 100 calibration batches")
    batch_size: int = Field(128, ge=1, description="evaluation batch size")
    calibration_batch_size: int = Field(32, ge=1, description="observers that follow batches depend on it")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    seed: int = Field(0, ge=0, le=2**64 - 1, description="of splits, subsamples and intervals")
    memory_format: MemoryFormat = Field(AUTO, description="auto: channels-last convolutions; or contiguous")
    include: tuple[Literal["functional"], ...] = Field(
        (), description="functional: matmul, attention and residual sums are layers too"
    )


class SweepSpec(Source):
    """One sweep: every layer under every setting of the matrix observers × formats.

    `until_decided`: a layer gets more samples only until its interval lies on one side of `tolerance` points.
    """

    mode: Mode = Field("static", description="when weights and inputs are quantized; see: list modes")
    observers: tuple[Observer, ...] = Field(("mse",), min_length=1, description=_SEVERAL.format("observers"))
    weight_formats: tuple[Format, ...] = Field(("int8",), min_length=1, description=_SEVERAL.format("formats"))
    activation_formats: tuple[Format, ...] = Field(("int8",), min_length=1, description=_SEVERAL.format("formats"))
    weight_granularity: Granularity = Field("per_channel", description="see: list granularities")
    activation_granularity: Granularity | None = Field(
        None,
        description="of dynamic ranges: per_token or per_sample (the default, by layer), or per_tensor: one range a "
        "call, as torch's dynamic quantization",
    )
    weight_scheme: Scheme = Field("symmetric", description="symmetric or affine")
    activation_scheme: Scheme = Field("affine", description="symmetric or affine")
    power_of_two_scales: bool = Field(
        False, description="round every scale up to a power of two, so that rescaling is a shift"
    )
    method: Method = Field("one_at_a_time", description="see: list methods")
    layers: str = Field("*", description="only these; whole names, comma-separated globs")
    paranoid: bool = Field(False, description="compare a random tenth of the replays with full forwards")
    until_decided: bool = Field(False, description="stop measuring a layer once the tolerance is decided")
    tolerance: float = Field(1.0, gt=0, lt=100, description="points of the metric that a layer may cost")
    executor: Executor = Field("inline", description="where the work runs; see: list executors")

    @model_validator(mode="after")
    def _decidable(self) -> "SweepSpec":
        if self.until_decided and not family("methods").create(self.method).measures_one_layer():
            fitting = [entry.name for entry in family("methods") if entry.member.measures_one_layer()]
            raise ValueError(f"until_decided needs the method {' or '.join(fitting)}, not {self.method}")
        if self.until_decided and not family("metrics").create(self.metric).binary:
            raise ValueError(f"until_decided needs a metric of hits and misses, not {self.metric}")
        return self

    @model_validator(mode="after")
    def _inputs_can_share_scales_so(self) -> "SweepSpec":
        check_input_granularity(self.mode, self.activation_granularity)
        return self

    @model_validator(mode="after")
    def _quantizes_operands(self) -> "SweepSpec":
        if self.include and not family("modes").create(self.mode).quantizes_inputs:
            raise ValueError(f"include functional quantizes activations, which stay FP32 in mode {self.mode}")
        return self

    @model_validator(mode="after")
    def _leaves_to_the_mode_what_it_fixes(self) -> "SweepSpec":
        for name, value in family("modes").create(self.mode).fixes.items():
            if getattr(self, name) not in (value, SweepSpec.model_fields[name].default):
                raise ValueError(f"mode {self.mode} means {name} {value}, not {getattr(self, name)}; leave it out")
        return self

    @model_validator(mode="after")
    def _no_setting_twice(self) -> "SweepSpec":
        for name in ("observers", "weight_formats", "activation_formats"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names one value twice: {', '.join(values)}")
        return self

    def settings(self) -> list[Setting]:
        """The matrix; where inputs stay FP32, their formats don't multiply."""
        activation_formats = self.activation_formats if quantizes_inputs(self.mode) else self.activation_formats[:1]
        shared = self.model_dump(include=set(Setting.model_fields) & set(SweepSpec.model_fields))
        shared |= family("modes").create(self.mode).fixes
        return [
            Setting(observer=o, weight_format=w, activation_format=a, **shared)
            for o, w, a in product(self.observers, self.weight_formats, activation_formats)
        ]

    def selects(self, layer: str) -> bool:
        """Whether `layers` matches a module path."""
        return matches(layer, self.layers)
