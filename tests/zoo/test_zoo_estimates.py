"""Every tiny hard model's gradient estimate against its exact sweep, or the same error."""

import math

import pytest
from engine_helpers import sweep
from test_zoo import ZOO, check_untouched, values_of, watched  # noqa: F401
from zoo import SAMPLES

from qdash.errors import QdashError

METHOD = "gradient:passes=64"  # so that what is left is what isn't linear
LARGER = {"batch_size": SAMPLES // 2}  # than the other tests': every batch has its backward passes
CLOSE_DB = 3.0
NOT_LINEAR = {
    "UserHooks": "one sample is clipped by far, and other units of a ReLU are on",
    "DividesByZero": "0/0 appears only in the quantized model; a derivative can't know",
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning", "ignore:enable_nested_tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections", "ignore:`torch.jit.script` is deprecated"),
]


@pytest.mark.parametrize("name", list(ZOO))
def test_estimates(name, tmp_path, watched):  # noqa: F811
    animal = ZOO[name]
    if animal.error:
        with pytest.raises(QdashError, match=animal.error):
            sweep(tmp_path, **values_of(animal, METHOD))
        check_untouched(name, watched)
        return
    estimated = {row["layer"]: row for row in sweep(tmp_path, **values_of(animal, METHOD) | LARGER)["layers"]}
    check_untouched(name, watched)
    exact = {row["layer"]: row for row in sweep(tmp_path, **values_of(animal, "one_at_a_time") | LARGER)["layers"]}
    assert estimated.keys() == exact.keys()
    for layer, row in estimated.items():
        assert row["estimated"]
        if name in NOT_LINEAR:
            continue
        measured, ours = exact[layer]["model_output_sqnr_db"], row["model_output_sqnr_db"]
        assert row["status"] == exact[layer]["status"], layer
        if measured is not None and math.isfinite(measured):
            assert abs(ours - measured) < CLOSE_DB, layer
        else:
            assert ours == measured, layer
