"""A MobileNetV2 for 8×8 digits (Sandler et al. 2018, arXiv:1801.04381), with timm's names."""

from torch import Tensor, nn

# (output channels, stride) of each inverted residual block
BLOCKS = ((6, 1), (6, 1), (8, 2), (8, 1), (12, 2), (12, 1))
STEM, HEAD = 6, 32


class InvertedResidual(nn.Module):
    """conv_pw expands, conv_dw filters each channel alone (depthwise), conv_pwl projects without activation.

    (n, c, h, w) in and out.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int = 4):
        super().__init__()
        middle = inputs * expansion
        self.conv_pw = nn.Conv2d(inputs, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.act1 = nn.ReLU6(inplace=True)
        self.conv_dw = nn.Conv2d(middle, middle, 3, stride, padding=1, groups=middle, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.act2 = nn.ReLU6(inplace=True)
        self.conv_pwl = nn.Conv2d(middle, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act1(self.bn1(self.conv_pw(x)))
        out = self.act2(self.bn2(self.conv_dw(out)))
        out = self.bn3(self.conv_pwl(out))
        return x + out if self.has_shortcut else out


class DigitsMobileNet(nn.Module):
    """21 weight layers: (n, 1, 8, 8) → logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(1, STEM, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.act1 = nn.ReLU6(inplace=True)
        widths = [STEM, *(outputs for outputs, _ in BLOCKS)]
        self.blocks = nn.Sequential(
            *(InvertedResidual(inputs, *block) for inputs, block in zip(widths, BLOCKS, strict=False))
        )
        self.conv_head = nn.Conv2d(widths[-1], HEAD, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(HEAD)
        self.act2 = nn.ReLU6(inplace=True)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(HEAD, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv_stem(x)))
        x = self.blocks(x)
        x = self.act2(self.bn2(self.conv_head(x)))
        logits: Tensor = self.classifier(self.global_pool(x).flatten(1))
        return logits
