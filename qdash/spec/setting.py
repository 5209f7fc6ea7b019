"""How one layer is quantized."""

import hashlib

from pydantic import model_validator

from qdash.registry import Frozen, family
from qdash.spec.fields import Format, Granularity, Mode, Observer, Scheme


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
        check_input_granularity(self.mode, self.activation_granularity)
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


def check_input_granularity(mode: str, granularity: str | None) -> None:
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
