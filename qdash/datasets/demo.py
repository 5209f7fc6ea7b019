"""The data set that ships with qdash."""

from typing import ClassVar, Literal

from pydantic import field_validator

from qdash.datasets.base import REGISTRY, DatasetSource, Loaded
from qdash.errors import UnknownNameError


@REGISTRY.register("demo")
class DemoDigits(DatasetSource):
    """Real handwritten digits, 8×8 pixels: 200 calibration and 597 evaluation samples that no demo model has seen, and
    the 1,000 that they were trained on, for fine-tuning."""

    prefix: ClassVar[str] = "demo"
    ships: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("demo:digits",)

    @field_validator("text")
    @classmethod
    def _known(cls, text: str) -> str:
        if text != "demo:digits":
            raise UnknownNameError("data set", text, ["demo:digits"])
        return text

    def load(self) -> Loaded:
        import torch

        from qdash.demo.data import digits
        from qdash.tensors.samples import ArraySamples

        def samples(split: Literal["train", "calibration", "evaluation"]) -> ArraySamples:
            x, y = digits(split)
            return ArraySamples(torch.from_numpy(x), torch.from_numpy(y), f"{self.text} ({split})")

        return Loaded(samples("evaluation"), samples("calibration"), samples("train"))
