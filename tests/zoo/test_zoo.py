"""Every tiny hard model through every method, against full forwards with hooks; or one error that names the layer."""

import contextlib
import functools
import math

import numpy as np
import pytest
import torch
import zoo_computed_weights
import zoo_effects
import zoo_inputs
import zoo_layers
import zoo_numbers
import zoo_shapes
from engine_helpers import run_work, sweep
from naive import Naive, loaded
from torch import nn
from zoo import BATCH, ZOO

import qdash.sweep.prepare.workload
from qdash.errors import QdashError
from qdash.spec.checked import checked
from qdash.spec.mixed import MeasureSpec
from qdash.spec.sweep import SweepSpec

FILES = (zoo_computed_weights, zoo_effects, zoo_inputs, zoo_layers, zoo_numbers, zoo_shapes)
METHODS = ("one_at_a_time", "leave_one_out", "statistics")
DRAWS_ITSELF = {"NoisyLinear"}  # so that its local error can't be repeated outside of a forward
TOLERANCE = 1e-9  # of Σ e² in float64: the order of summation
LOCAL_TOLERANCE = 2e-6  # differences of a layer's outputs are taken in float32


def values_of(animal, method):
    """The values of a sweep's spec."""
    return {
        "model": f"python:{animal.file}:build_{animal.name}",
        "data": f"python:{animal.file}:evaluation_{animal.name}",
        "calibration_data": f"python:{animal.file}:calibration_{animal.name}",
        "method": method,
        "metric": "agreement",
        "observers": ("min_max",),
        "batch_size": BATCH,
        **animal.spec,
    }


def run(name, method, folder):
    return sweep(folder, **values_of(ZOO[name], method))


@functools.cache
def naive(name, folds, memory_format):
    bits = int(ZOO[name].spec.get("weight_formats", ("int8",))[0].removeprefix("int"))
    with unfused():
        return Naive(ZOO[name], [dict(fold) for fold in folds], bits, memory_format)


@contextlib.contextmanager
def unfused():
    """Attention without its fused kernel, no gradients."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


@pytest.fixture
def watched(monkeypatch):
    """Remembers the model that a sweep worked on."""
    kept = []
    load = qdash.sweep.prepare.workload.load_model

    def remember(spec):
        model, notes = load(spec)
        kept.append((model, [module.training for module in model.modules()]))
        return model, notes

    monkeypatch.setattr(qdash.sweep.prepare.workload, "load_model", remember)
    return kept


def check_untouched(name, kept):
    """Parameters, buffers, modes, hooks and forwards are what a fresh model has."""
    if not kept and ZOO[name].error:  # refused before anything touched it
        return
    (model, training), fresh = kept[-1], getattr(loaded(ZOO[name].file), f"build_{name}")()
    state = fresh.state_dict() if not isinstance(fresh, nn.DataParallel) else fresh.module.state_dict()
    assert model.state_dict().keys() == state.keys()
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key
        assert value.stride() == state[key].stride(), key
    assert [module.training for module in model.modules()] == training
    assert not any("forward" in vars(m) for m in model.modules() if not isinstance(m, torch.jit.ScriptModule))
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ZOO)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning", "ignore:enable_nested_tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_zoo(name, method, tmp_path, watched):
    animal = ZOO[name]
    before = torch.get_rng_state()
    if animal.error:
        with pytest.raises(QdashError, match=animal.error):
            run(name, method, tmp_path)
        check_untouched(name, watched)
        return
    result = run(name, method, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    check_untouched(name, watched)
    for note in animal.notes:
        assert any(note in said for said in result["notes"]), result["notes"]
    facts = result["facts"]
    expected = naive(name, tuple(tuple(fold.items()) for fold in facts["folded"]), facts["memory_format"])
    rows = {row["layer"]: row for row in result["layers"]}
    tied = {layer["layer"]: [layer["layer"], *layer["tied"]] for layer in result["facts"]["layers"]}
    assert {site for sites in tied.values() for site in sites} == expected.called
    scores = {}
    for score in result["scores"]:
        if score.kind == "layer":
            scores.setdefault(score.subject, []).append(score.sums)
    check_rows(name, method, expected, rows, tied, scores)
    if animal.non_finite and method == "one_at_a_time":
        assert result["layers"][0]["layer"] == animal.non_finite
    not_finite = [row["status"] == "non_finite" for row in result["layers"]]
    assert not_finite == sorted(not_finite, reverse=True), "what is not finite ranks first"
    if method != "statistics":
        assert any(not_finite) == bool(animal.non_finite)


@unfused()
def check_rows(name, method, expected, rows, tied, scores):
    """Sums over all batches against the naive sweep."""
    for layer, sites in tied.items():
        found = {key: sum(sums.get(key, 0.0) for sums in scores[layer]) for key in ("noise", "output_noise")}
        weight = scores[layer][0]["weight_noise"]
        np.testing.assert_allclose(weight, expected.weight_noise(sites), rtol=TOLERANCE, err_msg=f"{layer} weight")
        if name not in DRAWS_ITSELF:
            check(found["output_noise"], expected.local_noise(sites), f"{layer} output", LOCAL_TOLERANCE)
        if method == "statistics":
            assert (rows[layer]["status"] == "ok") == math.isfinite(found["output_noise"])
            continue
        chosen = sites if method == "one_at_a_time" else [s for o, group in tied.items() if o != layer for s in group]
        noise = expected.noise(chosen)
        check(found["noise"], noise, layer)
        assert rows[layer]["status"] == ("ok" if math.isfinite(noise) else "non_finite")


def check(got, wanted, what, tolerance=TOLERANCE):
    if math.isfinite(wanted):
        np.testing.assert_allclose(got, wanted, rtol=tolerance, err_msg=what)
    else:
        assert not math.isfinite(got), what


@pytest.mark.parametrize("name", ["ControlFlow", "TiedWeights", "SharedModule", "Encoder", "InPlace"])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
def test_mixed_models(name, tmp_path):
    """Each layer kept in FP32, all others quantized."""
    animal = ZOO[name]
    spec = checked(SweepSpec, **values_of(animal, "one_at_a_time"))
    expected = naive(name, (), "channels_last" if name == "InPlace" else "contiguous")
    layers = [layer for layer in expected.called if layer != "head"]  # which is the table
    keep_sets = tuple((layer,) for layer in layers)
    measure = MeasureSpec(sweep=spec, setting=spec.settings()[0], keep_sets=keep_sets)
    _, scores, _ = run_work("measure", measure, tmp_path)
    for layer in layers:
        found = sum(s.sums["noise"] for s in scores if s.kind == "measurement" and s.subject == layer)
        kept = {layer, "head"} if layer == "table" else {layer}
        with unfused():
            check(found, expected.noise(expected.called - kept), layer)


def test_the_zoo_is_large_enough():
    assert len(ZOO) >= 30
