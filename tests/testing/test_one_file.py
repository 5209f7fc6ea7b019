"""A member is one file: a file that appears in a family's folder is listed, is accepted and has its laws."""

import importlib
import json
import sys

import pytest

from qdash.cli.app import run
from qdash.registry import families, family, package_of
from qdash.spec.checked import checked
from qdash.spec.setting import Setting
from qdash.spec.sweep import SweepSpec
from qdash.testing.laws import every_name

HEAD = '"""One more member."""\n\nfrom typing import ClassVar\n\n'
HELP = "A member that a test has put into the folder, to see that nothing else is needed."
BASES = {
    "datasets": "demo",
    "executors": "inline",
    "formats": "bf16",
    "granularities": "per_tensor",
    "layers": "linear",
    "methods": "one_at_a_time",
    "metrics": "accuracy",
    "models": "demo",
    "modes": "weight_only",
    "observers": "min_max",
    "recommenders": "ranked",
    "views": "depth",
}
FIELDS = {
    "observers": ("observer",),
    "formats": ("weight_format", "activation_format"),
    "granularities": ("weight_granularity", "activation_granularity"),
    "modes": ("mode",),
}
FLAGS = {
    "datasets": '    prefix: ClassVar[str] = "mine"\n',
    "models": '    prefix: ClassVar[str] = "mine"\n',
    "views": '    label: ClassVar[str] = "Mine"\n',
}
SWEEP_FIELDS = {"methods": "method", "metrics": "metric", "executors": "executor"}


@pytest.fixture(params=sorted(BASES))
def added(request, tmp_path, monkeypatch):
    """A family with one more file in its folder."""
    name = request.param
    member = family(name).entry(BASES[name]).member
    module, base = member.__module__, member.__name__
    flag = FLAGS.get(name, "")
    body = f'@REGISTRY.register("mine")\nclass Mine({base}):\n    """{HELP}"""\n\n{flag}'
    imports = f"from {module} import {base}\nfrom {package_of(name)}.base import REGISTRY\n\n\n"
    (tmp_path / "mine.py").write_text(HEAD + imports + body)
    package, registry = importlib.import_module(package_of(name)), family(name)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    registry.__dict__.pop("_loaded", None)
    yield name
    registry._entries.pop("mine", None)
    registry.__dict__.pop("_loaded", None)
    sys.modules.pop(f"{package_of(name)}.mine", None)


def test_every_family_is_tried():
    assert families() == sorted(BASES)


def test_it_is_listed_with_its_help_and_the_laws_run_over_it(added, capsys):
    assert run(["list", added, "--json", "-"]) == 0
    members = {member["name"]: member for member in json.loads(capsys.readouterr().out)["members"]}
    assert members["mine"]["help"] == HELP
    assert "mine" in every_name(added)


def test_settings_take_it(added):
    for field in FIELDS.get(added, ()):
        assert getattr(checked(Setting, **{field: "mine"}), field) == "mine"
    if added in SWEEP_FIELDS:
        values = {"model": "demo:digits-resnet", "data": "demo:digits", SWEEP_FIELDS[added]: "mine"}
        assert checked(SweepSpec, **values, until_decided=True).settings()
