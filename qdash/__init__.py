"""qdash: which layers of a PyTorch model survive quantization, and which to keep in FP32."""

__version__ = "0.1.0"
