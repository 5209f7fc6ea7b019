"""The demo networks by name, with their packaged weights; importing this file doesn't import torch."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qdash.errors import UnknownNameError

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


def build(name: str, pretrained: bool = True) -> "nn.Module":
    """The network in eval mode, on the CPU; (n, 1, 8, 8) float32 in [0, 1] → logits (n, 10).

    `pretrained=False` gives it freshly initialised from torch's global generator.
    Raises UnknownNameError for a name that is not in NETWORKS.
    """
    if name not in NETWORKS:
        raise UnknownNameError("demo network", name, NETWORKS)
    network = NETWORKS[name]()
    if pretrained:
        from safetensors.torch import load_file

        network.load_state_dict(load_file(WEIGHTS / f"{name}.safetensors"))
    return network.eval()


def _resnet() -> "nn.Module":
    from qdash.demo.resnet import DigitsResNet

    return DigitsResNet()


def _mobilenet() -> "nn.Module":
    from qdash.demo.mobilenet import DigitsMobileNet

    return DigitsMobileNet()


def _vit() -> "nn.Module":
    from qdash.demo.vit import DigitsViT

    return DigitsViT()


def _lstm() -> "nn.Module":
    from qdash.demo.lstm import DigitsLSTM

    return DigitsLSTM()


NETWORKS: "dict[str, Callable[[], nn.Module]]" = {
    "digits-resnet": _resnet,
    "digits-mobilenet": _mobilenet,
    "digits-vit": _vit,
    "digits-lstm": _lstm,
}
