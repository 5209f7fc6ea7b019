"""BatchNorm folding: right where it may be done, undone where it would change the model."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from qdash.instrument.folding import folded


def trained(model):
    """Running statistics and affine parameters that are not the identity."""
    torch.manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval()


@pytest.mark.parametrize("bias", [True, False])
def test_weights_agree_with_torch_s_own_fusion(bias):
    model = trained(nn.Sequential(nn.Conv2d(2, 3, 3, bias=bias), nn.BatchNorm2d(3), nn.ReLU(inplace=True)))
    expected = fuse_conv_bn_eval(copy.deepcopy(model[0]), copy.deepcopy(model[1]))
    with folded(model, (torch.randn(2, 2, 5, 5),), {}) as folding:
        assert [(f.layer, f.norm) for f in folding.folds] == [("0", "1")]
        torch.testing.assert_close(model[0].weight.data, expected.weight.data, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(model[0].bias.data, expected.bias.data, rtol=1e-6, atol=1e-6)


def test_linear_agrees_with_torch_s_own_fusion():
    model = trained(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    expected = fuse_linear_bn_eval(copy.deepcopy(model[0]), copy.deepcopy(model[1]))
    with folded(model, (torch.randn(5, 4),), {}):
        torch.testing.assert_close(model[0].weight.data, expected.weight.data, rtol=1e-6, atol=1e-7)


def test_the_model_is_bit_identical_afterwards_even_after_an_error():
    model = trained(nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)))
    x, before = torch.randn(2, 2, 5, 5), copy.deepcopy(model)
    with pytest.raises(RuntimeError), folded(model, (x,), {}):
        raise RuntimeError
    assert model[0].bias is None
    assert torch.equal(model[0].weight, before[0].weight)
    with torch.no_grad():
        assert torch.equal(model(x), before(x))


class AlsoRead(nn.Module):
    """The layer's output is read by a functional operation too: invisible to hooks."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)
        self.other, self.other_bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x):
        y = self.conv(x)
        return self.other_bn(self.other(self.bn(y) + y))


def test_a_functional_consumer_is_found_by_the_check_and_only_its_fold_undone():
    model = trained(AlsoRead())
    with folded(model, (torch.randn(2, 2, 3, 3),), {}) as folding:
        assert [f.norm for f in folding.folds] == ["other_bn"]
        assert "conv is used elsewhere" in folding.left["bn"]


class Changed(nn.Module):
    """The output is written to before the BatchNorm sees it."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x):
        y = self.conv(x)
        y += 1
        return self.bn(y)


@pytest.mark.parametrize(
    ("model", "norm", "reason"),
    [
        (nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)), "0", "not the output of one layer"),
        (nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)), "2", "not the output of one layer"),
        (
            nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)),
            "1",
            "no running statistics",
        ),
        (Changed(), "bn", "not the output of one layer"),
    ],
)
def test_what_is_left_is_told_with_its_reason(model, norm, reason):
    with folded(trained(model), (torch.randn(2, 2, 4, 4),), {}) as folding:
        assert not folding.folds
        assert reason in folding.left[norm]


def test_shared_layers_are_left():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            return self.bn(self.conv(x)) + self.conv(x)

    with folded(trained(Twice()), (torch.randn(2, 2, 4, 4),), {}) as folding:
        assert not folding.folds
        assert "used elsewhere" in folding.left["bn"]
