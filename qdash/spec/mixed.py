"""Mixed models of a sweep: some layers stay in FP32, the others are quantized; measured, or fine-tuned as a whole."""

from collections.abc import Iterable

from pydantic import Field, model_validator

from qdash.errors import SpecError
from qdash.records.names import among
from qdash.registry import Frozen, family
from qdash.spec.fields import Mode
from qdash.spec.layers import check_known
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec


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
        if all(among(layer, self.keep) for layer in known):
            raise SpecError("every layer stays in FP32, so nothing is quantized; keep fewer layers")
