"""A callable of the user's that builds the model."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from qdash import sources as python_source
from qdash.errors import ModelError
from qdash.models.base import REGISTRY, ModelSource

if TYPE_CHECKING:
    from torch import nn


@REGISTRY.register("python")
class PythonModel(ModelSource):
    """A callable that returns the `nn.Module`; its weights may come from `--weights FILE`."""

    prefix: ClassVar[str] = "python"
    examples: ClassVar[tuple[str, ...]] = ("python:package.module:build", "python:model.py:build")

    @field_validator("text")
    @classmethod
    def _absolute(cls, text: str) -> str:
        return python_source.absolute_text(text, ModelError)

    def files(self) -> tuple[Path, ...]:
        file = python_source.source_file(self.text)
        return (file,) if file else ()

    def load(self) -> "nn.Module":
        from torch import nn

        model = python_source.call(self.text, ModelError)
        if not isinstance(model, nn.Module):
            raise ModelError(f"{self.text} returned {type(model).__name__}; return an nn.Module")
        return model
