"""Every tiny hard model is fine-tuned, layer by layer and as a whole, or one error says why not; none is changed."""

import random

import pytest
import torch
import zoo_computed_weights  # noqa: F401  fills the zoo
import zoo_effects  # noqa: F401
import zoo_inputs  # noqa: F401
import zoo_layers  # noqa: F401
import zoo_numbers  # noqa: F401
import zoo_shapes  # noqa: F401
from engine_helpers import qat_json, run_work, sweep
from zoo import BATCH, ZOO

import qdash.sweep.prepare.workload
from qdash.errors import QdashError
from qdash.spec.checked import checked
from qdash.spec.mixed import QatSpec
from qdash.spec.sweep import SweepSpec

ERRORS = {
    "ZeroInput": "every training sample is an evaluation sample",
    "ConstantInput": "every training sample is an evaluation sample",
    "InPlace": "the model has no gradients .* modified by an inplace operation",
    "Counter": "the model has no gradients .* modified by an inplace operation",
}
"""Models that can be swept and not trained: autograd refuses them as they are, too."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning", "ignore:enable_nested_tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections", "ignore:`torch.jit.script` is deprecated"),
]


@pytest.fixture
def watched(monkeypatch):
    """(model, its state before) of every model that is loaded."""
    kept, load = [], qdash.sweep.prepare.workload.load_model

    def remember(spec):
        model, notes = load(spec)
        kept.append((model, {key: value.clone() for key, value in model.state_dict().items()}))
        return model, notes

    monkeypatch.setattr(qdash.sweep.prepare.workload, "load_model", remember)
    return kept


def spec_of(name, **values):
    animal = ZOO[name]
    given = {
        "model": f"python:{animal.file}:build_{name}",
        "data": f"python:{animal.file}:evaluation_{name}",
        "calibration_data": f"python:{animal.file}:calibration_{name}",
        "metric": "agreement",
        "observers": ("min_max",),
        "weight_formats": ("int4",),
        "batch_size": BATCH,
    }
    return given | animal.spec | values


def layers_alone(name, folder):
    result = sweep(folder, **spec_of(name, mode="qat:steps=2:batch_size=8:learned_scale=true"))
    not_finite = {row["layer"] for row in result["layers"] if row["status"] != "ok"}
    assert not_finite <= {ZOO[name].non_finite}


def plan(name, folder):
    swept = checked(SweepSpec, **spec_of(name))
    spec = checked(QatSpec, sweep=swept, setting=swept.settings()[0], training="qat:steps=2:batch_size=8")
    facts, scores, cost = run_work("qat", spec, folder)
    result = qat_json("run", None, spec, facts, scores, cost)
    assert result["qat"]["status"] == result["ptq"]["status"]
    assert (folder / facts["weights_file"]).exists()


@pytest.mark.parametrize("learn", [layers_alone, plan])
@pytest.mark.parametrize("name", ZOO)
def test_a_hard_model_learns_and_stays_as_it_was(name, learn, tmp_path, watched):
    random.seed(0)  # of a model that skips a layer by Python's generator, before its run seeds it
    expected = ERRORS.get(name) or ZOO[name].error
    if expected:
        with pytest.raises(QdashError, match=expected):
            learn(name, tmp_path)
        if not watched:  # refused before anything touched it
            return
    else:
        learn(name, tmp_path)
    model, before = watched[-1]
    assert model.state_dict().keys() == before.keys()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
        assert value.stride() == before[key].stride(), key
    assert not any("forward" in vars(m) for m in model.modules() if not isinstance(m, torch.jit.ScriptModule))
