"""The benchmark scores the same layers in the same order by the naive loop and by qdash, and its text says so."""

import json

import pytest
from scipy.stats import spearmanr

from benchmarks.contestants import CONTESTANTS
from benchmarks.environments import ENVIRONMENTS, missing
from benchmarks.peer_scripts.common import Clock, module_path
from benchmarks.peers import main
from benchmarks.report import Network, report, verdicts


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """(rows, text) of one round on a few images."""
    folder = tmp_path_factory.mktemp("benchmark")
    results, rows = folder / "results.md", folder / "rows.json"
    size = ["--network", "resnet20", "--images", "8", "--rounds", "1"]
    code = main(["--only", "naive,qdash-exact", *size, "--results", str(results), "--json", str(rows)])
    assert code == 0
    return json.loads(rows.read_text())["resnet20"], results.read_text()


def test_both_score_the_same_layers_alike(measured):
    rows, _ = measured
    naive, exact = rows["naive"][0]["scores"], rows["qdash-exact"][0]["scores"]
    assert set(naive) == set(exact)
    assert len(naive) == 22
    assert spearmanr([naive[layer] for layer in naive], [exact[layer] for layer in naive]).statistic > 0.98


def test_the_report_names_versions_layers_and_ratios(measured):
    rows, text = measured
    line = next(line for line in text.splitlines() if line.startswith("| qdash exact"))
    ratio = rows["qdash-exact"][0]["cpu_s"] / rows["naive"][0]["cpu_s"]
    assert f"| {ratio:.2f} | 22 |" in line
    assert rows["naive"][0]["version"] in text


def test_a_missing_environment_is_named_with_the_remedy(tmp_path):
    assert "python -m benchmarks.setup ppq" in str(missing(tmp_path, "ppq"))


def test_a_failed_installation_is_named_with_its_reason(tmp_path):
    (tmp_path / "ppq.log").write_text("Collecting ppq\nERROR: No matching distribution found for ppq\nbye\n")
    assert "No matching distribution" in str(missing(tmp_path, "ppq"))


def test_every_environment_has_a_contestant():
    assert {c.environment for c in CONTESTANTS.values()} - {None} == set(ENVIRONMENTS)


def test_who_is_slower_and_by_how_much():
    costs = {"naive": 8.0, "qdash-exact": 4.0, "onnxruntime": 2.0}
    rows = {name: [_row(cost), _row(cost), _row(100.0)] for name, cost in costs.items()}
    network = Network("resnet20", 8, rows | {"ppq": [{"failed": "no wheel"}]})
    assert verdicts(network) == [
        "qdash exact (4.0 s). Slower than it: naive loop 2.0×. Faster than it: ONNX Runtime, hand sweep 2.0×."
    ]
    assert "- PPQ layerwise: no wheel" in report([network], threads=1)


def test_a_part_inside_another_counts_once():
    clock = Clock()
    with clock.part("outer"), clock.part("inner"):
        sum(range(2_000_000))
    assert clock.parts["inner"] > 10 * clock.parts["outer"] >= 0


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("/conv1/Conv", "conv1"),
        ("/fc/Gemm", "fc"),
        ("/layer1/layer1.0/conv2/Conv", "layer1.0.conv2"),
        ("/layer2/layer2.0/downsample/downsample.0/Conv", "layer2.0.downsample.0"),
    ],
)
def test_scopes_of_exported_graphs(scope, path):
    assert module_path(scope) == path


def _row(cost: float) -> dict:
    return {"version": "1", "cpu_s": cost, "evaluations": "2", "meaning": "KL", "scores": {"a": 1.0, "b": 2.0}}
