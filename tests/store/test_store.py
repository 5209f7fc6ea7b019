"""The store keeps what it is given, exactly, and tells what has changed."""

import math
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from qdash.errors import InputError
from qdash.records.scores import Facts, Progress, Score
from qdash.store.blobs import pack_samples, pack_sums, unpack_samples, unpack_sums
from qdash.store.runs import NewRun
from qdash.store.store import Store


def _new(store: Store, **more: str) -> str:
    return store.runs.create(NewRun("sweep", '{"model": "m"}', model="m", data="d", **more))


def _score(batch: int, noise: float = 1.0, subject: str = "conv", **arrays: np.ndarray) -> Score:
    return Score("layer", subject, "s", batch, {"noise": noise}, arrays)


def test_a_new_run_is_queued_and_has_a_readable_id(store: Store) -> None:
    run = store.runs.get(_new(store, title="mine"))
    assert (run.kind, run.status, run.spec, run.model, run.data) == ("sweep", "queued", '{"model": "m"}', "m", "d")
    assert (run.title, run.parent, run.follow_up, run.facts) == ("mine", None, None, None)
    assert (run.position, run.done, run.total, run.cost, run.attempt) == (None, 0, 0, {}, 0)
    assert abs(run.created - datetime.now(UTC)) < timedelta(seconds=10)
    assert run.id.startswith(run.created.strftime("%Y%m%d-%H%M%S-"))
    assert len(run.id) == len("20261124-093012-4f2a")


def test_ids_are_unique_and_sort_by_time_even_from_threads(store: Store) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.extend(_new(store) for _ in range(25))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 100
    assert [run.id for run in store.runs.list()] == sorted(ids, reverse=True)


def test_a_run_is_found_by_id_prefix_and_latest(store: Store) -> None:
    first = _new(store)
    time.sleep(0.002)
    second = _new(store)
    assert store.runs.get(first).id == first
    assert store.runs.get(second[:-1] if second[:-1] != first[:-1] else second).id == second
    assert store.runs.get("latest").id == second
    with pytest.raises(InputError, match=f"several runs begin with '{first[:4]}'.*{second}.*write more"):
        store.runs.get(first[:4])


@pytest.mark.parametrize("text", ["nonsense", "", "%", "2_"])
def test_an_unknown_run_is_told_with_what_exists(store: Store, text: str) -> None:
    with pytest.raises(InputError, match="the store is empty"):
        store.runs.get(text)
    run_id = _new(store)
    with pytest.raises(InputError, match=f"unknown run '{text}'.*{run_id}.*qdash runs"):
        store.runs.get(text)


def test_latest_of_an_empty_store_says_how_to_begin(store: Store) -> None:
    with pytest.raises(InputError, match="qdash sweep"):
        store.runs.get("latest")


def test_runs_are_filtered_and_limited(store: Store) -> None:
    parent = _new(store)
    child = store.runs.create(NewRun("measure", "{}", model="m", data="d", parent="latest"))
    store.runs.set_status(child, "running")
    assert [r.id for r in store.runs.list(kind="measure")] == [child]
    assert [r.id for r in store.runs.list(parent=parent)] == [child]
    assert [r.id for r in store.runs.list(status="queued")] == [parent]
    assert [r.id for r in store.runs.list(model="m", kind="sweep")] == [parent]
    assert store.runs.list(model="another") == []
    assert [r.id for r in store.runs.list(limit=1)] == [child]


def test_one_save_keeps_facts_scores_and_progress(store: Store) -> None:
    run_id = _new(store)
    kl = np.linspace(0, 1, 7, dtype="float32")
    score = _score(0, kl=kl, correct=np.array([1, 0, 1], dtype="float32"))
    store.save(run_id, [Facts({"layers": ["a"]}), score, Progress("p1", 2.5, 10.0, "batch 1")], wall_s=1.5)
    store.save(run_id, [Facts({"device": "cpu"})], wall_s=0.25)
    run = store.runs.get(run_id)
    assert (run.position, run.done, run.total, run.message) == ("p1", 2.5, 10.0, "batch 1")
    assert run.facts == {"layers": ["a"], "device": "cpu"}
    assert run.cost == {"wall_s": 1.75}
    (kept,) = store.scores.read(run_id)
    assert (kept.kind, kept.subject, kept.setting, kept.batch, kept.sums) == ("layer", "conv", "s", 0, {"noise": 1.0})
    np.testing.assert_array_equal(kept.samples["kl"], kl)
    np.testing.assert_array_equal(kept.samples["correct"], [1, 0, 1])


def test_a_failed_save_keeps_nothing(store: Store) -> None:
    run_id = _new(store)
    before = store.runs.revision(run_id)
    bad = Score("layer", "x", "s", 1, {"noise": "many"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="many"):
        store.save(run_id, [Facts({"a": 1}), _score(0), bad, Progress("p", 1, 1)])
    run = store.runs.get(run_id)
    assert (run.position, run.facts, store.scores.read(run_id)) == (None, None, [])
    assert store.runs.revision(run_id) == before


def test_the_last_progress_makes_a_run_done(store: Store) -> None:
    run_id = _new(store)
    store.runs.set_status(run_id, "running")
    store.save(run_id, [Progress(None, 10, 10)])
    run = store.runs.get(run_id)
    assert run.status == "done"
    assert run.started is not None
    assert run.finished is not None
    assert run.started <= run.finished


def test_scores_are_upserts(store: Store) -> None:
    run_id = _new(store)
    for noise in (1.0, 1.0, 2.0):
        store.save(run_id, [_score(0, noise), _score(1, noise)])
    assert [(s.batch, s.sums["noise"]) for s in store.scores.read(run_id)] == [(0, 2.0), (1, 2.0)]


@given(st.dictionaries(st.text(max_size=5), st.floats(width=64), max_size=4))
def test_sums_keep_every_float64_to_the_bit(sums: dict[str, float]) -> None:
    (kept,) = unpack_sums([pack_sums(sums)])
    assert {k: np.float64(v).tobytes() for k, v in kept.items() if v == v} == {
        k: np.float64(v).tobytes() for k, v in sums.items() if v == v
    }
    assert {k for k, v in kept.items() if math.isnan(v)} == {k for k, v in sums.items() if math.isnan(v)}


@given(st.dictionaries(st.text(max_size=5), st.lists(st.floats(width=32), max_size=40), max_size=4))
def test_samples_keep_every_float32_to_the_bit(samples: dict[str, list[float]]) -> None:
    arrays = {name: np.array(values, dtype="float32") for name, values in samples.items()}
    kept = unpack_samples(pack_samples(arrays))
    assert {k: v.tobytes() for k, v in kept.items()} == {k: v.tobytes() for k, v in arrays.items()}


def test_zeros_and_ones_are_deflated_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    flags, noise = rng.integers(0, 2, 4096).astype("float32"), rng.normal(size=4096).astype("float32")
    assert len(pack_samples({"a": flags}) or b"") < flags.nbytes / 4
    assert flags.nbytes < len(pack_samples({"a": noise}) or b"") < flags.nbytes + 32


def test_infinities_and_nan_survive_the_database(store: Store) -> None:
    run_id = _new(store)
    sums = {"plus": math.inf, "minus": -math.inf, "nan": math.nan, "tiny": 5e-324, "third": 1 / 3}
    store.save(run_id, [Score("layer", "a", "s", 0, sums, {"x": np.array([np.inf, np.nan], dtype="float32")})])
    (kept,) = store.scores.read(run_id)
    assert math.isnan(kept.sums["nan"])
    assert {k: v for k, v in kept.sums.items() if k != "nan"} == {k: v for k, v in sums.items() if k != "nan"}
    np.testing.assert_array_equal(kept.samples["x"], np.array([np.inf, np.nan], dtype="float32"))


def test_scores_come_by_kind_subject_setting_and_batch(store: Store) -> None:
    run_id = _new(store)
    baseline = Score("baseline", "", "", 0, {"n": 1})
    store.save(run_id, [_score(1, subject="conv2"), _score(1, subject="conv1"), _score(0, subject="conv1"), baseline])
    found = [(score.kind, score.subject, score.batch) for score in store.scores.read(run_id)]
    assert found == [("baseline", "", 0), ("layer", "conv1", 0), ("layer", "conv1", 1), ("layer", "conv2", 1)]


def test_where_a_run_stands_is_known_without_its_facts(store: Store) -> None:
    run_id = store.runs.create(NewRun("sweep", "{}", model="m", data="d"))
    assert store.runs.standing(run_id) == ("queued", None)
    store.runs.set_status(run_id, "running")
    store.save(run_id, [Progress("0:3", 1.0, 2.0)])
    assert store.runs.standing(run_id) == ("running", "0:3")
    store.save(run_id, [Progress(None, 2.0, 2.0)])
    assert store.runs.standing(run_id) == ("done", None)
    with pytest.raises(InputError, match=r"'no-such-run' is not in the store"):
        store.runs.standing("no-such-run")


def test_the_revision_changes_with_anything_about_a_run(store: Store) -> None:
    run_id = _new(store)
    changes = [
        lambda: store.save(run_id, [_score(0)]),
        lambda: store.save(run_id, [Progress("p", 1, 2)]),
        lambda: store.runs.set_status(run_id, "running"),
        lambda: store.runs.request_cancel(run_id),
        lambda: store.runs.clear_cancel(run_id),
        lambda: store.pins.set(run_id, "conv", True),
        lambda: store.pins.clear(run_id),
        lambda: store.runs.queue(run_id),
    ]
    revisions = [store.runs.revision(run_id)]
    for change in changes:
        change()
        revisions.append(store.runs.revision(run_id))
    assert len(set(revisions)) == len(changes) + 1


def test_a_status_brings_its_times_and_its_error(store: Store) -> None:
    run_id = _new(store)
    store.runs.set_status(run_id, "running")
    started = store.runs.get(run_id).started
    store.runs.set_status(run_id, "failed", error="no labels")
    run = store.runs.get(run_id)
    assert (run.status, run.error) == ("failed", "no labels")
    assert run.finished is not None
    store.runs.set_status(run_id, "running")
    run = store.runs.get(run_id)
    assert (run.error, run.finished, run.started) == (None, None, started)
    with pytest.raises(InputError, match="unknown status 'lost'; choose from queued"):
        store.runs.set_status(run_id, "lost")  # type: ignore[arg-type]


def test_queueing_twice_is_one_attempt_and_after_an_end_a_new_one(store: Store) -> None:
    run_id = _new(store)
    assert (store.runs.queue(run_id), store.runs.queue(run_id)) == (1, 1)
    store.runs.set_status(run_id, "failed", error="x")
    assert store.runs.queue(run_id) == 2
    assert (store.runs.get(run_id).status, store.runs.get(run_id).error) == ("queued", None)


def test_a_cancel_request_is_settled_once_and_can_be_taken_back(store: Store) -> None:
    run_id = _new(store)
    assert not store.runs.cancel_requested(run_id)
    assert not store.runs.settle_cancel(run_id)
    store.runs.request_cancel(run_id)
    assert store.runs.cancel_requested(run_id)
    store.runs.clear_cancel(run_id)
    assert not store.runs.settle_cancel(run_id)
    store.runs.request_cancel(run_id)
    assert (store.runs.settle_cancel(run_id), store.runs.settle_cancel(run_id)) == (True, False)
    assert store.runs.get(run_id).status == "cancelled"


def test_pins_are_kept_by_layer(store: Store) -> None:
    run_id = _new(store)
    store.pins.set(run_id, "conv1", True)
    store.pins.set(run_id, "conv2", True)
    store.pins.set(run_id, "conv2", False)
    assert store.pins.of(run_id) == {"conv1": True, "conv2": False}
    store.pins.clear(run_id)
    assert store.pins.of(run_id) == {}


def test_deleting_a_run_deletes_what_hangs_on_it_and_nothing_else(store: Store) -> None:
    run_id, other = _new(store), _new(store)
    child = store.runs.create(NewRun("measure", "{}", model="m", data="d", parent=run_id))
    for each in (run_id, other):
        store.save(each, [_score(0)])
        store.pins.set(each, "conv", True)
    store.runs.delete(run_id)
    with store._engine.connect() as connection:
        for table in ("score", "decision"):
            assert connection.execute(sa.text(f"SELECT DISTINCT run FROM {table}")).scalars().all() == [other]
    assert store.runs.get(child).parent is None
    assert (store.runs.revision(run_id), store.runs.cancel_requested(run_id)) == (0, True)
    with pytest.raises(InputError, match="deleted"):
        store.save(run_id, [_score(1)])


def test_a_running_run_is_not_deleted(store: Store) -> None:
    run_id = _new(store)
    store.runs.set_status(run_id, "running")
    with pytest.raises(InputError, match=f"cancel {run_id}"):
        store.runs.delete(run_id)


def test_a_worker_announces_itself_beats_and_leaves(store: Store) -> None:
    store.workers.announce("host:all", "host", 1)
    store.workers.announce("host:all", "host", 2)
    (worker,) = store.workers.list()
    assert (worker.pid, worker.silent_s < 5) == (2, True)
    time.sleep(0.01)
    store.workers.beat("host:all")
    assert store.workers.list()[0].heartbeat > worker.heartbeat
    store.workers.remove("host:all")
    assert store.workers.list() == []


def test_readers_are_not_blocked_by_a_writer(store: Store) -> None:
    run_id = _new(store)
    with store._engine.begin() as connection:
        connection.execute(sa.text("UPDATE run SET message = 'half'"))
        assert store.runs.get(run_id).message == ""  # a blocked reader would end in an error
    assert store.runs.get(run_id).message == "half"


def test_threads_save_at_once_and_lose_nothing(store: Store) -> None:
    run_id = _new(store)

    def write(thread: int) -> None:
        for batch in range(20):
            store.save(run_id, [_score(batch, subject=f"layer{thread}")])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.scores.read(run_id)) == 80
    assert store.runs.revision(run_id) == 81
