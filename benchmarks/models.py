"""ResNet-20 and ResNet-18 after He et al. (2015, arXiv:1512.03385), seeded, without torchvision: needs torch alone."""

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """The residual sum as a module, so that tracers and module-based quantizers see it."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left + right


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (1×1 convolution where the shape changes)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))
        self.add = Add()
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu2(self.add(out, self.downsample(x)))


class ResNet20(nn.Module):
    """22 weight layers: (n, 3, 32, 32) → logits (n, 10)."""

    side, classes, batch_size, images = 32, 10, 128, 512

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, 3, stride=1)
        self.layer2 = _stage(16, 32, 3, stride=2)
        self.layer3 = _stage(32, 64, 3, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, self.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.flatten(self.avgpool(x)))


class ResNet18(nn.Module):
    """21 weight layers: (n, 3, 224, 224) → logits (n, 1000)."""

    side, classes, batch_size, images = 224, 1000, 32, 64

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = _stage(64, 64, 2, stride=1)
        self.layer2 = _stage(64, 128, 2, stride=2)
        self.layer3 = _stage(128, 256, 2, stride=2)
        self.layer4 = _stage(256, 512, 2, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(512, self.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


NETWORKS: dict[str, type[nn.Module]] = {"resnet20": ResNet20, "resnet18": ResNet18}


def images(network: str, count: int, seed: int = 1) -> Tensor:
    """(count, 3, side, side): coarse colour fields, fine noise, a contrast per image; unit deviation over all."""
    side = NETWORKS[network].side
    generator = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.randn(count, 3, side, side, generator=generator)
    for cells in (4, 8, 16):
        field = torch.randn(count, 3, cells, cells, generator=generator)
        x += nn.functional.interpolate(field, size=(side, side), mode="bilinear", align_corners=False)
    x *= 0.4 + 1.2 * torch.rand(count, 1, 1, 1, generator=generator)
    return x / x.std()


@torch.no_grad()
def seeded(network: str, count: int, seed: int = 0) -> nn.Module:
    """In evaluation mode: He initialisation, then BatchNorm statistics by one pass over `count` images of another seed.

    The BatchNorm scales differ between channels, as in trained networks.
    """
    torch.manual_seed(seed)
    model = NETWORKS[network]()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.1)
        norm.momentum = None  # statistics are the plain average over the pass
    model.train()(images(network, count, seed=777))
    for norm in norms:
        norm.momentum = 0.1
    return model.eval()


def resnet20() -> ResNet20:
    """For `python:benchmarks/models.py:resnet20` with weights from a file."""
    return ResNet20()


def resnet18() -> ResNet18:
    """For `python:benchmarks/models.py:resnet18` with weights from a file."""
    return ResNet18()


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)))
