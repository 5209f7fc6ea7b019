"""Class scores by shape and by value: axes, one score a sample, probabilities; against torch's distributions."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from qdash.engine.outputs import divergence
from qdash.engine.scores import form_of, is_embedding, is_independent, readings

G = torch.Generator().manual_seed(0)


def draw(*shape):
    return torch.randn(*shape, generator=G)


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((16, 10), (), [1]),
        ((16, 10), None, [1]),
        ((16,), (), [None]),
        ((16, 1), (), [1]),
        ((16, 1), (1,), [None]),
        ((16, 7, 6), (7,), [2]),
        ((16, 6, 7), (7,), [1]),
        ((16, 6, 6), (6,), [1, 2]),
        ((16, 5, 12), None, [2]),
        ((16, 21, 8, 9), (8, 9), [1]),
        ((16, 8, 9, 21), (8, 9), [3]),
        ((16, 8, 8, 8), (8, 8), [1, 2, 3]),
        ((16, 1, 8, 9), (8, 9), [1]),
        ((16, 1, 8, 9), (1, 8, 9), [None]),
        ((16, 10), (10,), [None]),
        ((16, 10), (3,), []),
    ],
)
def test_the_axes_that_fit_the_labels(shape, labels, axes):
    assert readings(shape, labels) == axes


@pytest.mark.parametrize("shape", [(32, 5), (32, 5, 7), (32, 5, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_probabilities_give_the_kl_of_the_probabilities(shape, dtype):
    p, q = (draw(*shape).softmax(1).to(dtype) for _ in range(2))
    form = form_of(p, 1)
    assert form.kind == "probabilities"
    expected = kl_divergence(*(Categorical(x.double().movedim(1, -1)) for x in (p, q))).reshape(32, -1).mean(1)
    torch.testing.assert_close(divergence(form.logits(p), form.logits(q)), expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize(("shape", "axis"), [((32,), None), ((32, 1), 1), ((32, 1, 4, 4), 1)])
def test_one_logit_is_a_choice_between_two(shape, axis):
    a, b = draw(*shape) * 3, draw(*shape) * 3
    form = form_of(a, axis)
    assert form.kind == "one_logit"
    found = divergence(form.logits(a), form.logits(b))
    expected = kl_divergence(Bernoulli(logits=a.double()), Bernoulli(logits=b.double()))
    torch.testing.assert_close(found, expected.flatten(1).mean(1) if expected.dim() > 1 else expected)
    assert torch.equal(form.logits(a).argmax(1).flatten(), (a > 0).long().flatten())
    sure = form_of(a.sigmoid(), axis)
    assert sure.kind == "one_probability"
    torch.testing.assert_close(
        divergence(sure.logits(a.sigmoid()), sure.logits(b.sigmoid())), found, rtol=1e-3, atol=1e-5
    )


def test_certainty_stays_finite():
    certain = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert bool(torch.isfinite(form_of(certain, 1).logits(certain)).all())
    assert divergence(*(form_of(certain, 1).logits(certain),) * 2).tolist() == [0, 0]


def test_what_is_no_distribution_is_told_apart():
    assert form_of(draw(32, 5), 1).kind == form_of(draw(32, 5).log_softmax(1), 1).kind == "logits"
    assert is_independent(draw(32, 5).sigmoid(), 1)
    assert not is_independent(draw(32, 5).softmax(1), 1)
    assert is_embedding(torch.nn.functional.normalize(draw(32, 8)))
    assert not is_embedding(draw(32, 8))
    assert not is_embedding(draw(32, 8).softmax(1))
