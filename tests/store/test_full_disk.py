"""A disk that is really full: a small tmpfs, where one can be mounted."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qdash.artifacts import written
from qdash.errors import StoreTrouble
from qdash.faults import as_qdash_error
from qdash.records.scores import Progress, Score
from qdash.store import trouble
from qdash.store.runs import NewRun
from qdash.store.store import Store


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder of two megabytes."""
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no tmpfs can be mounted here: {error}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(folder: Path) -> Path:
    """Takes all that is left."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def found(number: int) -> list[Score | Progress]:
    noise = np.random.default_rng(number).random(20_000)
    return [Score("layer", "a", "s", number, {"n": 1.0}, {"correct": noise}), Progress("1", 1, 2)]


def test_a_step_is_saved_once_there_is_space(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(f"sqlite:///{small / 's.sqlite'}") as store:
        run_id = store.runs.create(NewRun("sweep", "{}", model="m", data="d"))
        filler, waited = fill(small), []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            filler.unlink(missing_ok=True)

        monkeypatch.setattr(trouble.time, "sleep", sleep)
        store.save(run_id, found(0))
        assert waited == [trouble.FIRST_WAIT_S]
        assert len(store.scores.read(run_id)) == 1
        fill(small)
        monkeypatch.setattr(trouble, "PATIENCE_S", 0.0)
        with pytest.raises(StoreTrouble, match="free some space"):
            store.save(run_id, found(1))
        assert len(store.scores.read(run_id)) == 1


def test_an_artifact_that_doesn_t_fit_is_told_and_leaves_nothing(small: Path) -> None:
    fill(small)
    with pytest.raises(OSError, match="No space left") as full, written(small / "c.npz") as partial:
        np.savez(partial, x=np.zeros(100_000))
    assert "free some space" in str(as_qdash_error(full.value))
    assert sorted(path.name for path in small.iterdir()) == ["filler"]
