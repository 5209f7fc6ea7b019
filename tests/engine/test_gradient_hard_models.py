"""The gradient estimate of models that hide a layer from it, or write over what it needs."""

import pytest
from engine_helpers import sweep


def test_a_layer_that_never_reaches_the_output_has_no_effect_and_is_not_called_safe(regression, tmp_path):
    body = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.side = nn.Linear(6, 1), nn.Linear(6, 6)
    def forward(self, x):
        self.side(x)
        return self.a(x)
"""
    result = sweep(tmp_path, **regression(body), method="gradient")
    side = next(row for row in result["layers"] if row["layer"] == "side")
    assert (side["status"], side["model_output_sqnr_db"]) == ("no_path", None)
    assert sum(s.sums["noise"] for s in result["scores"] if s.kind == "layer" and s.subject == "side") == 0
    assert result["layers"][-1]["layer"] == "side"


def both(regression, folder, body):
    """layer → (measured, estimated) SQNR of the model's output."""
    values = regression(body)
    exact, estimated = (sweep(folder, **values, method=m)["layers"] for m in ("one_at_a_time", "gradient"))
    found = {row["layer"]: row["model_output_sqnr_db"] for row in estimated}
    return {row["layer"]: (row["model_output_sqnr_db"], found[row["layer"]]) for row in exact}


def test_a_model_that_overwrites_what_backward_needs_is_estimated(regression, tmp_path):
    body = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        return self.c(torch.sigmoid(self.a(x)).mul_(2))
"""
    for measured, estimated in both(regression, tmp_path, body).values():
        assert abs(measured - estimated) < 0.5


@pytest.mark.parametrize("hidden", ["with torch.no_grad(): y = self.a(x)", "y = self.a(x).detach()"])
def test_a_layer_behind_no_grad_is_not_taken_for_safe(regression, tmp_path, hidden):
    body = f"""
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        {hidden}
        return self.c(torch.tanh(y))
"""
    measured, estimated = both(regression, tmp_path, body)["a"]
    assert measured == pytest.approx(estimated, abs=1e-3)


def test_a_layer_that_is_hidden_in_one_of_its_calls_is_measured(regression, tmp_path):
    body = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        with torch.no_grad(): y = self.a(x)
        return self.c(torch.tanh(y) + 0.001 * self.a(x))
"""
    measured, estimated = both(regression, tmp_path, body)["a"]
    assert measured == pytest.approx(estimated, abs=1e-3)


def test_a_layer_that_is_always_given_nothing_has_no_effect_under_several_settings(regression, tmp_path):
    body = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.none = nn.Linear(6, 1), nn.Linear(6, 3)
    def forward(self, x):
        return self.a(x) + self.none(x[:0]).sum()
"""
    values = regression(body) | {"method": "gradient", "weight_formats": ("int8", "int4")}
    rows = sweep(tmp_path, **values)["layers"]
    assert [row["model_output_sqnr_db"] for row in rows if row["layer"] == "none"] == [float("inf")] * 2


def test_a_layer_that_writes_into_its_input_is_given_it_unharmed_under_every_setting(regression, tmp_path):
    body = """
class Halves(nn.Linear):
    def forward(self, x):
        x *= 0.5
        return super().forward(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c = Halves(6, 6), nn.Linear(6, 1)
    def forward(self, x):
        return self.c(self.a(x.clone()))
"""
    values = regression(body) | {"mode": "weight_only", "method": "gradient"}
    alone = [sweep(tmp_path, **values | {"weight_formats": (f,)})["layers"] for f in ("int8", "int4")]
    together = sweep(tmp_path, **values | {"weight_formats": ("int8", "int4")})["layers"]
    found = {(row["layer"], row["settings"]["weight_format"]): row["model_output_sqnr_db"] for row in together}
    for row in (row for rows in alone for row in rows):
        assert found[row["layer"], row["settings"]["weight_format"]] == row["model_output_sqnr_db"]
