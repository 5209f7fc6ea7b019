"""Channels-last convolutions inside an analysis: where they are used, where not, and that nothing stays changed."""

import platform
import resource

import pytest
import torch
from torch import nn

from qdash.instrument.memory_format import channels_last
from qdash.tensors.heap import reused
from qdash.tensors.layout import aligned, in_memory_order


class Viewing(nn.Module):
    """Flattens with `view`, which only the usual order allows."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.fc(self.conv(x).view(len(x), -1))


class Layout(nn.Module):
    """Gives other numbers in another order, which nothing but a comparison shows."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return y.as_strided((len(x), 8), (4 * 36, 1))


def strides(model):
    return {name: (p.data_ptr(), p.stride()) for name, p in model.named_parameters()}


def run(model, x):
    with torch.no_grad():
        reference = model(x)
        with channels_last(model, (x,), {}, reference) as chosen:
            return chosen, strides(model), model(x), reference


def test_convolutions_lie_channels_last_inside_and_as_before_afterwards():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.LazyLinear(2))
    x = torch.randn(2, 3, 8, 8)
    model(x)
    before = strides(model)
    chosen, inside, output, reference = run(model, x)
    assert chosen == "channels_last"
    assert inside["0.weight"][1] == (27, 1, 9, 3)
    assert inside["4.weight"] == before["4.weight"]
    assert strides(model) == before
    torch.testing.assert_close(output, reference)


@pytest.mark.parametrize("model", [Viewing(), Layout()], ids=["fails", "differs"])
def test_a_model_that_needs_the_usual_order_keeps_it(model):
    before = strides(model)
    chosen, inside, output, reference = run(model, torch.randn(2, 3, 8, 8))
    assert (chosen, inside) == ("contiguous", before)
    assert torch.equal(output, reference)


def test_a_patch_embedding_keeps_its_order():
    model = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.Flatten())
    before = strides(model)
    assert run(model, torch.randn(2, 3, 8, 8))[:2] == ("contiguous", before)


def test_flattening_in_memory_order_copies_nothing():
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert in_memory_order(x).reshape(-1).data_ptr() == x.data_ptr()
    assert torch.equal(in_memory_order(x, leading=1).reshape(2, -1).sort(1)[0], x.flatten(1).sort(1)[0])
    first, second = aligned(x, x.contiguous(), leading=1)
    assert torch.equal(first, second)


def test_freed_memory_serves_again():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc's heap is steered")

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            blocks = [torch.ones(1 << 22) for _ in range(6)]  # 16 MB each, together above any threshold
            del blocks
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    usual = faults()
    with reused():
        faults()
        kept = faults()
    assert kept < usual / 4, (kept, usual)


class Counting(nn.Module):
    """A second output whose length depends on rounding."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        y = self.conv(x)
        return y.mean((2, 3)), torch.unique(y)


def test_outputs_beside_the_first_do_not_matter():
    assert run(Counting(), torch.randn(8, 3, 32, 32))[0] == "channels_last"


def test_half_precision_is_no_licence():
    model = nn.Sequential(Layout(), nn.Softmax(1)).to(torch.bfloat16)
    assert run(model, torch.randn(4, 3, 8, 8, dtype=torch.bfloat16))[0] == "contiguous"


def test_a_convolution_with_several_kernels_is_left():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    model[0].weight = nn.Parameter(torch.randn(2, 4, 3, 3, 3))
    model[0].forward = lambda x: nn.functional.conv2d(x, model[0].weight.mean(0), model[0].bias)
    before = strides(model)
    assert run(model, torch.randn(2, 3, 8, 8))[:2] == ("contiguous", before)
