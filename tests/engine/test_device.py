"""Nothing waits for the device inside the layer loop: seen without one, by counting what would wait.

Tensors say that they are on a CUDA device, so that the code takes the ways it takes there, and everything that hands a
value to the host is counted.
"""

from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
import torch

from qdash.engine.bench import Recording
from qdash.engine.item import Item
from qdash.records.scores import Score
from qdash.registry import family
from qdash.spec.checked import checked
from qdash.spec.sweep import SweepSpec
from qdash.sweep.prepare.prepare import ensure_calibrated, prepare
from qdash.sweep.works.flush import fetched

WAITING = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist", "cpu", "numpy", "nonzero")
LAYERS = {
    "resnet": "conv1,layer[12].0.*,fc",
    "mobilenet": "conv_stem,blocks.0.*,classifier",
    "vit": "patch_embed,blocks.0.*",
}


@contextmanager
def waits(monkeypatch):
    """Counts, by name, what would wait for the device inside the block."""
    found = Counter()
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
        for name in WAITING:
            original = getattr(torch.Tensor, name)

            def counted(self, *args, _name=name, _original=original, **kwargs):
                if self.dtype != torch.int32 or _name != "__int__":  # zero points are kept on the host
                    found[_name] += 1
                return _original(self, *args, **kwargs)

            patch.setattr(torch.Tensor, name, counted)
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Artifacts: the calibration of a model is made once."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.mark.parametrize("method", ["one_at_a_time", "leave_one_out", "gradient", "statistics"])
@pytest.mark.parametrize("mode", ["weight_only", "dynamic", "static"])
@pytest.mark.parametrize(("model", "layers"), LAYERS.items())
def test_no_layer_waits(model, layers, mode, method, folder, monkeypatch):
    spec = checked(
        SweepSpec, model=f"demo:digits-{model}", data="demo:digits", mode=mode, method=method, samples=16, batch_size=8
    )
    member = family("methods").create(method)
    with ExitStack() as stack:
        recording = Recording(member.keeps_inputs, member.records_gradients)
        prepared = prepare(stack, spec, spec.settings(), layers, folder, recording)
        ensure_calibrated(prepared, spec, lambda: None)
        bench, evaluation = prepared.bench, prepared.workload.evaluation
        items = [Item(layer, spec.settings()[0]) for layer in bench.layers]
        list(member.measure(bench, items))  # what is computed once is computed now
        bench.load(evaluation.batch(range(8)))
        with waits(monkeypatch) as found:
            measured = list(member.measure(bench, items))
        assert not found, found
        assert len(measured) == len(items)
        with waits(monkeypatch) as found:
            list(fetched([(Score("layer", item.layer, "", 0), m) for item, m in zip(items, measured, strict=True)]))
        assert found["cpu"] <= 2, found
