"""Artifacts are there whole or not at all; a damaged one counts as absent, is made again, and the run says so."""

import json
import multiprocessing
from pathlib import Path

import pytest
from engine_helpers import run_work

from qdash.artifacts import UnreadableArtifact, parts_of, usable, written
from qdash.calibration.summaries import Calibration
from qdash.engine.trained import load_tensors, load_trained, read_metadata
from qdash.executors.base import build_work
from qdash.records.scores import Progress
from qdash.spec.checked import checked
from qdash.spec.mixed import QatSpec
from qdash.spec.sweep import SweepSpec
from qdash.testing import tiny

SPEC = checked(SweepSpec, model=tiny.MODEL, data=tiny.DATA, batch_size=8, samples=8)
TRAINED = SPEC.model_copy(update={"mode": "qat:steps=3:batch_size=4"})


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [empty, garbage, cut, folder]


def kept(scores):
    return [(s.kind, s.subject, s.setting, s.batch, {**s.sums, "seconds": 0}) for s in scores]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_calibration_is_made_again_and_said(tmp_path, damage):
    facts, scores, _ = run_work("sweep", SPEC, tmp_path)
    path = tmp_path / facts["calibration_file"]
    damage(path)
    again, repeated, _ = run_work("sweep", SPEC, tmp_path)
    (said,) = set(again["notes"]) - set(facts["notes"])
    assert path.name in said
    assert "made again" in said
    assert kept(repeated) == kept(scores)
    assert run_work("sweep", SPEC, tmp_path)[0]["notes"] == facts["notes"], "it is whole again"


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_trained_is_trained_again_where_it_is_damaged(tmp_path, damage):
    facts, scores, _ = run_work("sweep", TRAINED, tmp_path)
    path = sorted(tmp_path.glob("trained-*.safetensors"))[0]
    damage(path)
    again, repeated, _ = run_work("sweep", TRAINED, tmp_path)
    assert any(path.name in line for line in set(again["notes"]) - set(facts["notes"]))
    assert kept(repeated) == kept(scores)


def test_a_damaged_checkpoint_begins_the_training_again(tmp_path):
    work = build_work("sweep", TRAINED.model_dump_json(), str(tmp_path))
    list(work.advance(None, lambda: bool(list(tmp_path.glob("calibration-*")))))
    work.close()
    (path,) = tmp_path.glob("training-*.safetensors")
    cut(path)
    facts, scores, _ = run_work("sweep", TRAINED, tmp_path)
    assert any(path.name in line for line in facts["notes"])
    assert kept(scores) == kept(run_work("sweep", TRAINED, tmp_path)[1])


def test_the_weights_of_a_plan_are_written_again(tmp_path):
    spec = checked(QatSpec, sweep=SPEC, setting=SPEC.settings()[0], training="qat:steps=3:batch_size=4")
    facts, _, _ = run_work("qat", spec, tmp_path)
    path = tmp_path / facts["weights_file"]
    whole = load_tensors(path)[0]
    cut(path)
    again, _, _ = run_work("qat", spec, tmp_path)
    assert load_tensors(path)[0].keys() == whole.keys()
    assert any(path.name in line for line in again["notes"])


@pytest.mark.parametrize("damage", [empty, garbage])
@pytest.mark.parametrize("read", [Calibration.load, load_tensors, load_trained, read_metadata])
def test_readers_tell_damage_from_absence(tmp_path, damage, read):
    path = tmp_path / "artifact"
    with pytest.raises(FileNotFoundError):
        read(path)
    damage(path)
    with pytest.raises(UnreadableArtifact, match="artifact can't be read"):
        read(path)


def test_a_file_that_may_not_be_read_counts_as_absent(tmp_path, monkeypatch):
    (tmp_path / "c.npz").touch()
    monkeypatch.setattr("numpy.load", _refused)
    notes: list[str] = []
    assert not usable(lambda: Calibration.load(tmp_path / "c.npz"), notes)
    assert notes == ["c.npz can't be read (Permission denied); it was made again"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="full"):
        _fill_the_disk(path)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("a.txt", "before")]


def test_two_writers_of_one_file_don_t_disturb_each_other(tmp_path):
    path = tmp_path / "a.txt"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_write_often, [(str(path), "a"), (str(path), "b")])
    assert path.read_text() in ("a" * 4096, "b" * 4096)
    assert parts_of(path) == [path]


def test_what_a_killed_writer_left_is_a_part_of_the_artifact(tmp_path):
    path = tmp_path / "a.npz"
    path.touch()
    left = tmp_path / "a.77-00ff.partial.npz"
    left.touch()
    (tmp_path / "ab.npz").touch()
    assert parts_of(path) == [path, left]


def test_a_stop_in_training_leaves_a_readable_checkpoint(tmp_path):
    work = build_work("sweep", TRAINED.model_dump_json(), str(tmp_path))
    (*_, last) = work.advance(None, lambda: bool(list(tmp_path.glob("calibration-*"))))
    work.close()
    assert isinstance(last, Progress)
    (path,) = tmp_path.glob("training-*.safetensors")
    assert json.loads(read_metadata(path)["steps"])[0] == 1


def _refused(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def _fill_the_disk(path: Path) -> None:
    with written(path) as partial:
        partial.write_text("half")
        raise OSError("full")


def _write_often(what: tuple[str, str]) -> None:
    for _ in range(50):
        with written(Path(what[0])) as partial:
            partial.write_text(what[1] * 4096)
