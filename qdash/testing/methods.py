"""Laws of sensitivity methods: nothing lost where nothing is quantized, nothing touched, nothing due to batches."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from qdash.engine.bench import Bench, Recording
from qdash.engine.item import Item
from qdash.methods.base import Method
from qdash.records.facts import read_facts
from qdash.results.plain import as_tree
from qdash.results.sweep import sweep_result
from qdash.results.tally import Tallies
from qdash.spec.checked import checked
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec
from qdash.sweep.prepare import workload
from qdash.sweep.prepare.prepare import ensure_calibrated, prepare
from qdash.testing.laws import Laws
from qdash.testing.running import run_work
from qdash.testing.tiny import DATA, LAYERS, MODEL, SAMPLES

modes = pytest.mark.parametrize("mode", ["weight_only", "dynamic", "static"])
INT4 = {"weight_formats": ("int4",), "activation_formats": ("int4",)}
NOTHING = {"weight_formats": ("identity",), "activation_formats": ("identity",)}


class MethodLaws(Laws):
    """Over sweeps of the model in `tiny.py`."""

    family: ClassVar[str] = "methods"

    @modes
    def test_the_identity_format_loses_exactly_nothing(
        self, name: str, member: Method, mode: str, tmp_path: Path
    ) -> None:
        result = swept(name, tmp_path, mode=mode, **NOTHING)
        for row in result["layers"]:
            found = {key for key, value in row.items() if key.endswith("_sqnr_db") and value is not None}
            assert all(row[key] == float("inf") for key in found)
            assert found
            losses = ("model_output_mse", "layer_output_mse", "model_output_kl", "metric_delta", "flipped")
            assert not any(row[key] for key in losses)

    @modes
    def test_quantized_layers_have_finite_values(self, name: str, member: Method, mode: str, tmp_path: Path) -> None:
        result = swept(name, tmp_path, mode=mode, **INT4)
        assert {row["layer"] for row in result["layers"]} == set(LAYERS)
        for row in result["layers"]:
            assert row["status"] == "ok"
            assert row["estimated"] == member.estimates
            assert (row["model_output_sqnr_db"] is not None) == member.measures_output

    @modes
    def test_the_model_is_bit_identical_afterwards(
        self, name: str, member: Method, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept, load = [], workload.load_model

        def remember(spec: Any) -> Any:
            loaded = load(spec)
            kept.append((loaded[0], *state_of(loaded[0])))
            return loaded

        monkeypatch.setattr(workload, "load_model", remember)
        swept(name, tmp_path, mode=mode, **INT4)
        for model, state, modes_before in kept:
            after, modes_after = state_of(model)
            assert all(torch.equal(value, after[key]) for key, value in state.items())
            assert (modes_before, len(state)) == (modes_after, len(after))
            assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())

    def test_one_batch_or_many_give_the_same_sums(self, name: str, member: Method, tmp_path: Path) -> None:
        if member.estimates:  # from random signs, which every batch draws anew
            return
        whole, parts = (layer_sums(name, tmp_path, batch_size=size) for size in (SAMPLES, 5))
        assert set(whole) == set(parts)
        for key, value in whole.items():
            assert parts[key] == pytest.approx(value, rel=1e-3)  # kernels round otherwise at another batch size

    def test_an_item_s_result_doesn_t_depend_on_what_was_measured_before(
        self, name: str, member: Method, tmp_path: Path
    ) -> None:
        with bench_of(name, member, tmp_path) as (bench, items):
            together = [measured.sums for measured in member.measure(bench, items)]
            assert len(together) == len(items)
            bench.load(bench.batch, bench.batch_number)
            (alone,) = (measured.sums for measured in member.measure(bench, items[-1:]))
            assert alone.keys() == together[-1].keys()
            assert all(torch.equal(alone[key], together[-1][key]) for key in alone)

    def test_the_work_that_it_plans_is_work(self, name: str, member: Method, tmp_path: Path) -> None:
        with bench_of(name, member, tmp_path) as (bench, items):
            assert member.opening_work(bench) >= 0
            assert all(member.work(bench, item.layer) > 0 for item in items)
            before = bench.instrument.executed_macs
            list(member.measure(bench, items))
            assert bench.instrument.executed_macs >= before


def swept(method: str, folder: Path, **values: Any) -> dict[str, Any]:
    """The JSON of a sweep."""
    spec = spec_of(method, **values)
    facts, scores, cost = run_work("sweep", spec, folder)
    result: dict[str, Any] = as_tree(sweep_result("run", spec, read_facts(facts), Tallies(scores), cost))
    return result


def spec_of(method: str, **values: Any) -> SweepSpec:
    """Of the tiny model; calibrated on the samples that it is measured on."""
    return checked(SweepSpec, model=MODEL, data=DATA, calibration_data=DATA, method=method, **values)


def layer_sums(method: str, folder: Path, **values: Any) -> Counter[tuple[str, str]]:
    """(layer, name) → the sum over all batches, of what is neither time nor told in every batch anew."""
    _, scores, _ = run_work("sweep", spec_of(method, **INT4, **values), folder)
    found: Counter[tuple[str, str]] = Counter()
    for score in scores:
        if score.kind == "layer":
            sums = {name: value for name, value in score.sums.items() if name != "seconds" and "weight_" not in name}
            found.update({(score.subject, name): value for name, value in sums.items()})
    return found


def state_of(model: torch.nn.Module) -> tuple[dict[str, torch.Tensor], list[bool]]:
    """Copies of all tensors, and which modules train."""
    return {key: value.clone() for key, value in model.state_dict().items()}, [m.training for m in model.modules()]


@contextmanager
def bench_of(name: str, member: Method, folder: Path) -> Iterator[tuple[Bench, list[Item]]]:
    """A bench that holds the first batch, and an item for each layer."""
    spec = spec_of(name, **INT4)
    (setting,) = spec.settings()
    with ExitStack() as stack:
        recording = Recording(member.keeps_inputs, member.records_gradients)
        prepared = prepare(stack, spec, [setting], "*", folder, recording)
        ensure_calibrated(prepared, spec, lambda: None)
        with torch.set_grad_enabled(member.records_gradients):
            prepared.bench.load(prepared.first)
            yield prepared.bench, [Item(layer, Setting.model_validate(setting)) for layer in LAYERS]
