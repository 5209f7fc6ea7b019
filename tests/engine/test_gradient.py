"""The gradient estimate: exact where it must be, close where it is an estimate.

For a model with one output value, signs square to one: (v·Jδ)² is ‖Jδ‖² itself. Where such a model is linear, the
estimate is the exact error, whatever the model writes in place or calls twice.
"""

import numpy as np
import pytest
from engine_helpers import sweep
from scipy.stats import spearmanr

LINEAR_MODELS = {
    "in place": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        y = self.a(x)
        z = self.b(y)
        y *= 2
        z += y
        y -= 1
        return self.c(z)
""",
    "called twice": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        return self.c(self.a(x) + 0.5 * self.a(x * 3))
""",
    "tied weights": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6, bias=False), nn.Linear(6, 1)
        self.b.weight = self.a.weight
    def forward(self, x):
        return self.c(self.a(x) + 0.5 * self.b(x * 2))
""",
    "integer input": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        return self.c(self.a(x.long().float() / 3))
""",
    "two inputs of one tensor": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(8, 1)
    def forward(self, x):
        return self.c(torch.cat([self.a(x), self.b(x)], 1))
""",
    "convolution": """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Conv1d(2, 3, 2), nn.Linear(6, 1)
    def forward(self, x):
        return self.c(self.a(x.view(-1, 2, 3)).flatten(1))
""",
}


@pytest.mark.parametrize("mode", ["weight_only", "dynamic", "static"])
@pytest.mark.parametrize("name", LINEAR_MODELS)
def test_a_linear_model_with_one_output_is_estimated_exactly(name, mode, regression, tmp_path):
    values = regression(LINEAR_MODELS[name]) | {"mode": mode}
    exact = {row["layer"]: row for row in sweep(tmp_path, **values)["layers"]}
    estimated = {row["layer"]: row for row in sweep(tmp_path, **values, method="gradient:passes=1")["layers"]}
    assert exact.keys() == estimated.keys()
    for layer, row in exact.items():
        assert estimated[layer]["model_output_sqnr_db"] == pytest.approx(row["model_output_sqnr_db"], abs=0.01), layer
        assert estimated[layer]["estimated"] is True
        assert estimated[layer]["metric_delta"] is None
        assert row["estimated"] is False


@pytest.mark.parametrize(("name", "samples"), [("resnet", 300), ("mobilenet", 300), ("vit", 300), ("lstm", None)])
def test_demo_models_rank_as_measured(name, samples, tmp_path):
    values = {"model": f"demo:digits-{name}", "data": "demo:digits", "samples": samples}
    exact = {row["layer"]: row for row in sweep(tmp_path, **values)["layers"]}
    result = sweep(tmp_path, **values, method="gradient")
    estimated = {row["layer"]: row for row in result["layers"]}
    ours = np.array([estimated[layer]["model_output_sqnr_db"] for layer in exact])
    measured = np.array([exact[layer]["model_output_sqnr_db"] for layer in exact])
    assert spearmanr(ours, measured)[0] >= 0.95
    assert np.median(np.abs(ours - measured)) <= 0.5
    kl = [estimated[layer]["model_output_kl"] / exact[layer]["model_output_kl"] for layer in exact]
    assert 0.4 < np.median(kl) < 2.5  # one pass over few, mostly certain predictions
    assert all(row["loss_change"] is not None for row in result["layers"])


def with_passes(passes, folder):
    """The rows of the ResNet by layer."""
    values = {"model": "demo:digits-resnet", "data": "demo:digits", "samples": 256}
    result = sweep(folder, **values, method=f"gradient:passes={passes}:kl_passes=0")
    return {row["layer"]: row for row in result["layers"]}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return with_passes(32, tmp_path_factory.mktemp("many"))


@pytest.mark.parametrize("passes", [1, 4])
def test_the_standard_error_says_how_far_many_passes_are(passes, many, tmp_path):
    few = with_passes(passes, tmp_path)
    found = np.array([few[layer]["model_output_sqnr_db"] - many[layer]["model_output_sqnr_db"] for layer in many])
    expected = np.array([few[layer]["model_output_sqnr_db_se"] for layer in many])
    assert np.all(expected > 0)
    assert 0.4 < np.sqrt(np.mean((found / expected) ** 2)) < 1.6


def test_more_settings_cost_local_work_only(tmp_path):
    values = {"model": "demo:digits-resnet", "data": "demo:digits", "method": "gradient:passes=1", "samples": 32}
    one = sweep(tmp_path, **values)["cost"]["forward_equivalents"]
    three = sweep(tmp_path, **values, weight_formats=("int8", "int6", "int4"))["cost"]["forward_equivalents"]
    assert three - one <= 2 * 2.1  # each further setting: its local forwards and its all-quantized pass


def test_weights_and_inputs_parts_add_up_in_decibels(tmp_path):
    result = sweep(
        tmp_path,
        model="demo:digits-resnet",
        data="demo:digits",
        method="gradient",
        weight_formats=("int4",),
        samples=128,
    )
    for row in result["layers"]:
        parts = [row["weights_only_model_output_sqnr_db"], row["inputs_only_model_output_sqnr_db"]]
        joined = -10 * np.log10(sum(10 ** (-part / 10) for part in parts))
        assert joined == pytest.approx(row["model_output_sqnr_db"], abs=3.0)


def test_few_settings_and_many_are_estimated_alike(tmp_path):
    """Few: one pass at a time; many: the gradients of all passes are held. The samples come in two batches."""
    values = {"model": "demo:digits-mobilenet", "data": "demo:digits", "samples": 48, "calibration_samples": 64}
    values["layers"] = "conv_stem,blocks.[0-2].*,classifier"
    formats = ("int8", "int7", "int6", "int5", "int4", "int3", "int2")
    keys = ("model_output_sqnr_db", "model_output_sqnr_db_se", "model_output_kl", "loss_change", "input_sqnr_db")
    many = sweep(tmp_path, **values, method="gradient", weight_formats=formats)["layers"]
    for format in ("int8", "int4"):
        few = sweep(tmp_path, **values, method="gradient", weight_formats=(format,))["layers"]
        found = {row["layer"]: [row.get(key) for key in keys] for row in few}
        assert found == {
            row["layer"]: [row.get(key) for key in keys] for row in many if row["settings"]["weight_format"] == format
        }
        assert all(values[0] is not None for values in found.values())
