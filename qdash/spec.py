"""What is asked for: frozen, validated, and the same text on the command line, in the store and on the pages."""

import fnmatch
import hashlib
from collections.abc import Iterable
from itertools import product
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from qdash.errors import SpecError
from qdash.registry import Frozen, family, first_problem, member_of, source_of
from qdash.sources import absolute_path

Scheme = Literal["symmetric", "affine"]
MemoryFormat = Literal["auto", "contiguous"]
S = TypeVar("S", bound=Frozen)

Model = Annotated[str, Field(min_length=1), source_of("models")]
Data = Annotated[str, Field(min_length=1), source_of("datasets")]
Observer = Annotated[str, member_of("observers")]
Format = Annotated[str, member_of("formats")]
Granularity = Annotated[str, member_of("granularities")]
Mode = Annotated[str, member_of("modes")]
Method = Annotated[str, member_of("methods")]
Metric = Annotated[str, member_of("metrics")]
Executor = Annotated[str, member_of("executors")]
File = Annotated[str, AfterValidator(absolute_path)]

AUTO: Literal["auto"] = "auto"
_SEVERAL = "one or more, comma-separated; see: list {}"


class Setting(Frozen):
    """How one layer is quantized: one point of a sweep's matrix."""

    mode: Mode = "static"
    observer: Observer = "mse"
    weight_format: Format = "int8"
    activation_format: Format = "int8"
    weight_granularity: Granularity = "per_channel"
    activation_granularity: Granularity | None = None
    weight_scheme: Scheme = "symmetric"
    activation_scheme: Scheme = "affine"
    power_of_two_scales: bool = False

    @model_validator(mode="after")
    def _inputs_can_share_scales_so(self) -> "Setting":
        _check_input_granularity(self.mode, self.activation_granularity)
        return self

    @property
    def key(self) -> str:
        """A short stable name; fields at their defaults are left out, so that a new field changes no stored key."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """For a person: `mse, weights int8, inputs int8`."""
        return f"{self.observer}, weights {self.weight_format}, inputs {self.input_format}"

    @property
    def input_format(self) -> str:
        """The activation format, or `FP32` where inputs stay as they are."""
        return self.activation_format if quantizes_inputs(self.mode) else "FP32"

    @property
    def untrained(self) -> "Setting":
        """The same without a fine-tune; itself where its mode has none."""
        mode = family("modes").create(self.mode)
        return self.model_copy(update={"mode": mode.untrained}) if mode.trains else self

    @property
    def fixes_input_ranges(self) -> bool:
        """Whether inputs are quantized with ranges that a calibration chose."""
        mode = family("modes").create(self.mode)
        return bool(mode.quantizes_inputs and not mode.live_ranges)

    @property
    def shares_one_weight_scale(self) -> bool:
        """Whether all channels of a weight have one scale."""
        return bool(family("granularities").create(self.weight_granularity).scales(channels=2, length=1) == 1)


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
    seed: int = Field(0, ge=0, description="of splits, subsamples and intervals")
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
        _check_input_granularity(self.mode, self.activation_granularity)
        return self

    @model_validator(mode="after")
    def _quantizes_operands(self) -> "SweepSpec":
        if self.include and not family("modes").create(self.mode).quantizes_inputs:
            raise ValueError(f"include functional quantizes activations, which stay FP32 in mode {self.mode}")
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
        return [
            Setting(observer=o, weight_format=w, activation_format=a, **shared)
            for o, w, a in product(self.observers, self.weight_formats, activation_formats)
        ]

    def selects(self, layer: str) -> bool:
        """Whether `layers` matches a module path."""
        return matches(layer, self.layers)


class MeasureSpec(Frozen):
    """Mixed models to measure: each keep set stays in FP32, every other layer of the sweep is quantized."""

    sweep: SweepSpec
    setting: Setting
    keep_sets: tuple[tuple[str, ...], ...] = Field(min_length=1)

    def check_layers(self, layers: Iterable[str]) -> None:
        """Raises SpecError where a set names a layer that the sweep doesn't have."""
        check_known({name for keep in self.keep_sets for name in keep}, layers)


class QatSpec(Frozen):
    """A mixed model to fine-tune as a whole: `keep` stays in FP32, every other layer of the sweep is quantized.

    setting: how, before the fine-tune. training: the mode that trains, with its options, such as `qat:steps=300`.
    epochs: instead of its steps, passes over the training samples.
    """

    sweep: SweepSpec
    setting: Setting
    keep: tuple[str, ...] = ()
    training: Mode = "qat"
    epochs: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _trains(self) -> "QatSpec":
        if not family("modes").create(self.training).trains:
            raise ValueError(f"the mode {self.training} does not train; write qat, or qat:option=value")
        if family("modes").create(self.setting.mode).trains:
            raise ValueError(f"setting: its mode is {self.setting.mode}; give the mode before the fine-tune")
        return self

    def check_layers(self, layers: Iterable[str]) -> None:
        """Raises SpecError where `keep` names a layer that the sweep doesn't have, or leaves none to quantize."""
        known = list(layers)
        check_known(self.keep, known)
        if not set(known) - set(self.keep):
            raise SpecError("every layer stays in FP32, so nothing is quantized; keep fewer layers")


def check_known(wanted: Iterable[str], layers: Iterable[str]) -> None:
    """Raises SpecError where a wanted layer is not among `layers`."""
    known = list(layers)
    for layer in sorted(set(wanted) - set(known)):
        raise SpecError(f"layer {layer!r} is not in this run; its layers are: {', '.join(known[:12])}")


def _check_input_granularity(mode: str, granularity: str | None) -> None:
    """Raises ValueError where inputs of the mode can't have scales so."""
    how = family("modes").create(mode)
    if granularity is None or not how.quantizes_inputs:
        return
    fitting = "live_inputs" if how.live_ranges else "calibrated_inputs"
    if not getattr(family("granularities").create(granularity), fitting):
        choices = [entry.name for entry in family("granularities") if getattr(entry.member, fitting)]
        raise ValueError(
            f"activation_granularity {granularity} doesn't fit mode {mode}; choose {', '.join(choices)} or leave it out"
        )


def quantizes_inputs(mode: str) -> bool:
    """Whether inputs of layers are quantized in a mode, or stay FP32.

    >>> quantizes_inputs("dynamic"), quantizes_inputs("weight_only")
    (True, False)
    """
    return bool(family("modes").create(mode).quantizes_inputs)


def matches(layer: str, patterns: str) -> bool:
    """Whether comma-separated globs match a whole module path, never a part of it."""
    return any(fnmatch.fnmatchcase(layer, pattern.strip()) for pattern in patterns.split(","))


def checked(spec: type[S], **values: object) -> S:
    """A spec from plain values; raises SpecError with one line instead of pydantic's report."""
    try:
        return spec(**values)
    except ValidationError as error:
        raise SpecError(first_problem(error)) from error


def keep_key(keep: Iterable[str]) -> str:
    """The name under which the scores of a keep set are stored: its layers, sorted."""
    return ",".join(sorted(keep))
