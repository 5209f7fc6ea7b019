"""A store that version 0.1.0 made: it opens, shows what it showed, and its cancelled run goes on."""

import json
import shutil
from pathlib import Path

import pytest
from cli_helpers import qdash_here

from qdash.store.store import Store

MADE = Path(__file__).parent / "made_by_0.1.0"
SWEEP, CANCELLED = "20261127-215707-ebfe", "20261127-215740-2cff"
SHOWN = sorted(path.stem for path in (MADE / "shown").glob("2*.json"))


@pytest.fixture
def old_home(tmp_path, monkeypatch):
    """A copy of the old home for this version to work on."""
    shutil.copytree(MADE / "home", tmp_path / "old")
    monkeypatch.setenv("QDASH_HOME", str(tmp_path / "old"))


def said(*words):
    done = qdash_here(*words, "--json", "-")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_holds(old, new, where=""):
    """Everything of `old` stands in `new`; `new` may have more fields."""
    if isinstance(old, dict):
        assert old.keys() <= new.keys(), f"{where}: {sorted(old.keys() - new.keys())} are gone"
        for key, value in old.items():
            assert_holds(value, new[key], f"{where}.{key}")
    elif isinstance(old, list):
        assert len(old) == len(new), where
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            assert_holds(before, after, f"{where}[{place}]")
    elif isinstance(old, float) and isinstance(new, int | float):
        assert new == pytest.approx(old, rel=1e-9, abs=1e-12), where
    else:
        assert new == old, where


def layer_sums(store):
    return {(s.subject, s.batch): dict(s.sums) for s in store.scores.read(CANCELLED) if s.kind == "layer"}


@pytest.mark.usefixtures("old_home")
@pytest.mark.parametrize("run", SHOWN)
def test_a_run_shows_what_it_showed(run):
    assert_holds(json.loads((MADE / "shown" / f"{run}.json").read_text()), said("show", run))


@pytest.mark.usefixtures("old_home")
def test_the_recommendation_is_read_from_what_was_measured():
    old = json.loads((MADE / "shown" / f"recommend-{SWEEP}.json").read_text())
    assert_holds(old, said("recommend", SWEEP))
    with Store.open() as store:
        assert len(store.runs.list(kind="measure")) == 1


@pytest.mark.usefixtures("old_home")
def test_the_cancelled_run_goes_on_where_it_stood():
    with Store.open() as store:
        before = store.runs.get(CANCELLED)
        assert (before.status, before.position) == ("cancelled", "1:0")
        kept = layer_sums(store)
    resumed = said("resume", CANCELLED)
    assert {row["status"] for row in resumed["layers"]} == {"ok"}
    assert {row["samples"] for row in resumed["layers"]} == {96}
    with Store.open() as store:
        after = layer_sums(store)
        assert store.runs.get(CANCELLED).cost["wall_s"] > before.cost["wall_s"]
    assert {key: after[key] for key in kept} == kept  # nothing that was done is done again
    assert len(after) == 12 * len(resumed["layers"])
