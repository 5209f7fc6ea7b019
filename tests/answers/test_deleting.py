"""A deleted run takes along the artifacts that no other run uses, and says so."""

from qdash import home
from qdash.answers.deleting import delete_run
from qdash.records.scores import Facts, Progress
from qdash.store.runs import NewRun
from qdash.store.store import Store


def made(store, parent=None, **facts):
    run_id = store.runs.create(NewRun("sweep", "{}", model="m", data="d", parent=parent))
    store.save(run_id, [Facts(facts), Progress(None, 1, 1)])
    for name in (facts.get("calibration_file"), *facts.get("trained_files", ())):
        (home.artifacts() / name).write_bytes(bytes(1_000_000))
    return run_id


def test_shared_files_stay_until_the_last_run_goes():
    with Store.open() as store:
        first = made(store, calibration_file="c.npz", trained_files=["trained-a.safetensors"])
        second = made(store, calibration_file="c.npz")
        made(store, parent=second, calibration_file="c.npz")
        deleted = delete_run(store, first)
        assert deleted.files == ("trained-a.safetensors",)
        assert str(deleted) == "Deleted the run, and 1 file (1.0 MB) that no other run uses."
        assert [path.name for path in home.artifacts().iterdir()] == ["c.npz"]
        assert str(delete_run(store, second)) == (
            "Deleted the run with 1 that belongs to it, and 1 file (1.0 MB) that no other run uses."
        )
        assert list(home.artifacts().iterdir()) == []
        assert store.runs.list() == []


def test_nothing_is_removed_under_a_run_that_begins():
    with Store.open() as store:
        first = made(store, calibration_file="c.npz")
        store.runs.create(NewRun("sweep", "{}", model="m", data="d"))
        assert str(delete_run(store, first)) == "Deleted the run."
        assert (home.artifacts() / "c.npz").exists()
