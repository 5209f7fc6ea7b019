"""Static quantization, then a short fine-tune."""

from typing import ClassVar, Literal

from pydantic import Field

from qdash.modes.base import REGISTRY, Mode

Loss = Literal["auto", "distillation", "distillation_kl", "labels"]


@REGISTRY.register("qat")
class Qat(Mode):
    """Quantization-aware training: static, then a short fine-tune in which rounding passes gradients straight through.

    Prefer it for the highest accuracy, above all at 4 bits and less; it costs training time and needs samples to train
    on. In a sweep every layer is trained alone, the others staying FP32. Weights are trained, biases are not; clipping
    stops gradients (straight-through estimator, Bengio et al. 2013, arXiv:1308.3432).
    """

    trains: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("qat", "qat:steps=200:learned_scale=true", "qat:loss=labels")

    steps: int = Field(60, ge=1, description="batches that every layer is trained on")
    learning_rate: float = Field(
        0.01, gt=0, description="how far Adam moves a weight in a step, in quantization steps; falls to 0 as a cosine"
    )
    loss: Loss = Field(
        "auto",
        description="distillation: squared error against the FP32 model's output; distillation_kl: KL divergence from "
        "its class scores, for models that quantization nearly destroys; labels: cross-entropy, squared error for "
        "regression; auto is distillation",
    )
    learned_scale: bool = Field(False, description="train the scales too (LSQ, Esser et al. 2019, arXiv:1902.08153)")
    batch_size: int = Field(32, ge=1, description="training samples in a batch")
