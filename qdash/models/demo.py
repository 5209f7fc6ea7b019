"""The networks that ship with qdash, trained on its digits."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from qdash.errors import UnknownNameError
from qdash.models.base import REGISTRY, ModelSource

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("demo")
class DemoNetwork(ModelSource):
    """Small trained networks: a ResNet, a MobileNet with depthwise layers, a vision transformer, an LSTM."""

    prefix: ClassVar[str] = "demo"
    ships: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = (
        "demo:digits-resnet",
        "demo:digits-mobilenet",
        "demo:digits-vit",
        "demo:digits-lstm",
    )

    @field_validator("text")
    @classmethod
    def _known(cls, text: str) -> str:
        if text not in cls.examples:
            raise UnknownNameError("model", text, cls.examples)
        return text

    def load(self) -> "nn.Module":
        from qdash.demo.networks import build

        return build(self.text.removeprefix("demo:"))
