"""A MobileNetV2 for 8×8 digits (Sandler et al. 2018, arXiv:1801.04381), with timm's names: conv_pw, conv_dw, conv_pwl."""

from torch import Tensor, nn

# (output channels, stride) of each inverted residual block
BLOCKS = ((16, 1), (16, 1), (24, 2), (24, 1), (40, 2), (40, 1))


class InvertedResidual(nn.Module):
    """Expand (1×1), filter each channel alone (3×3 depthwise), project (1×1, no activation)."""

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
        self.conv_stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.act1 = nn.ReLU6(inplace=True)
        widths = [16, *(outputs for outputs, _ in BLOCKS)]
        self.blocks = nn.Sequential(
            *(InvertedResidual(inputs, *block) for inputs, block in zip(widths, BLOCKS, strict=False))
        )
        self.conv_head = nn.Conv2d(widths[-1], 96, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(96)
        self.act2 = nn.ReLU6(inplace=True)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(96, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv_stem(x)))
        x = self.blocks(x)
        x = self.act2(self.bn2(self.conv_head(x)))
        logits: Tensor = self.classifier(self.global_pool(x).flatten(1))
        return logits
