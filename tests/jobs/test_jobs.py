"""Durable jobs: they survive whatever happens to the worker, and do nothing twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from qdash.errors import InputError
from qdash.executors.spawning import environment
from qdash.jobs import client, names
from qdash.jobs.follow_up import create_follow_up
from qdash.store.runs import NewRun, Run
from qdash.store.store import Store

KIND = "qdash.testing.work:RehearsedWork"


def _run(store: Store, *, follow_up: str | None = None, **spec: object) -> str:
    text = json.dumps({"steps": 3, **spec})
    return store.runs.create(NewRun(KIND, text, model="m", data="d", follow_up=follow_up))


def _wait(store: Store, run_id: str, condition: Callable[[Run], bool], within_s: float = 60) -> Run:
    deadline = time.monotonic() + within_s
    while not condition(run := store.runs.get(run_id)):
        assert time.monotonic() < deadline, f"{run}\n{_log()}"
        time.sleep(0.05)
    return run


def _wait_until(condition: Callable[[], bool], within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def _log() -> str:
    path = Path(os.environ["QDASH_HOME"]) / "logs" / "worker.log"
    return path.read_text() if path.exists() else ""


def _steps(log: Path) -> list[int]:
    return [int(line.split()[0]) for line in log.read_text().splitlines()]


def _worker_pid(store: Store) -> int:
    assert _wait_until(lambda: client.worker_state(store.url).alive), _log()
    pid = client.worker_state(store.url).pid
    assert pid is not None
    return pid


def test_a_queued_run_starts_a_worker_that_computes_it_in_a_child(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QDASH_NICE")
    assert not client.worker_state(store.url).alive
    run_id = _run(store)
    client.enqueue(store.url, run_id)
    client.enqueue(store.url, run_id)
    run = _wait(store, run_id, lambda r: r.final)
    assert (run.status, run.attempt, len(store.scores.read(run_id))) == ("done", 1, 12)
    worker = client.worker_state(store.url)
    assert (worker.alive, worker.name) == (True, names.worker_name())
    assert worker.pid is not None
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == 10
    assert os.getsid(worker.pid) == worker.pid
    assert run.facts is not None
    assert run.facts["pid"] not in (worker.pid, os.getpid())
    with pytest.raises(InputError, match="is done"):
        client.enqueue(store.url, run_id)


def test_a_killed_worker_s_job_goes_on_and_no_finished_step_is_repeated(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "steps"
    run_id = _run(store, steps=4, seconds=0.4, log=str(log))
    client.enqueue(store.url, run_id)
    _wait(store, run_id, lambda r: r.done >= 2)
    killed = _worker_pid(store)
    os.kill(killed, signal.SIGKILL)
    finished = store.runs.get(run_id).done
    assert _wait_until(lambda: not client.worker_state(store.url).alive, 5)
    client.ensure_worker(store.url)
    run = _wait(store, run_id, lambda r: r.final)
    assert (run.status, run.attempt, len(store.scores.read(run_id))) == ("done", 1, 16)
    assert _worker_pid(store) != killed
    times = Counter(_steps(log))
    assert sorted(times) == list(range(4))
    assert [step for step, count in times.items() if count > 1] in ([], [finished], [finished + 1])
    assert max(times.values()) <= 2


def test_cancelling_takes_effect_within_the_step_and_resuming_goes_on(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "steps"
    run_id = _run(store, steps=3, seconds=0.8, log=str(log))
    client.enqueue(store.url, run_id)
    assert _wait_until(lambda: log.exists() and 1 in _steps(log))
    client.cancel(store.url, run_id)
    run = _wait(store, run_id, lambda r: r.final)
    assert (run.status, run.position) == ("cancelled", "1")
    with pytest.raises(InputError, match="is cancelled; there is nothing to cancel"):
        client.cancel(store.url, run_id)
    client.resume(store.url, run_id)
    _wait(store, run_id, lambda r: r.status == "running")
    with pytest.raises(InputError, match="nothing to resume"):
        client.resume(store.url, run_id)
    run = _wait(store, run_id, lambda r: r.final)
    assert (run.status, run.attempt, run.cancel_requested) == ("done", 2, False)
    assert Counter(_steps(log)) == {0: 1, 1: 2, 2: 1}


def test_a_waiting_run_is_cancelled_at_once_and_runs_are_computed_one_at_a_time(store: Store) -> None:
    first, second, third = (_run(store, steps=2, seconds=0.2) for _ in range(3))
    for run_id in (first, second, third):
        client.enqueue(store.url, run_id)
    client.cancel(store.url, second)
    assert store.runs.get(second).status == "cancelled"
    runs = [_wait(store, run_id, lambda r: r.final) for run_id in (first, third)]
    assert [run.status for run in runs] == ["done", "done"]
    early, late = sorted(runs, key=lambda run: run.started or run.created)
    assert late.started is not None
    assert early.finished is not None
    assert late.started >= early.finished
    assert store.scores.read(second) == []


@pytest.mark.parametrize(("how", "told"), [("kill", "signal 9"), ("unknown name", "unknown observer 'mean'")])
def test_a_failed_job_leaves_the_worker_alive_for_the_next(store: Store, how: str, told: str) -> None:
    bad, good = _run(store, fail={"at": 1, "how": how}), _run(store)
    client.enqueue(store.url, bad)
    client.enqueue(store.url, good)
    run = _wait(store, bad, lambda r: r.final)
    assert (run.status, run.position) == ("failed", "1")
    assert told in (run.error or "")
    pid = _worker_pid(store)
    assert _wait(store, good, lambda r: r.final).status == "done"
    assert _worker_pid(store) == pid


STARTER = "import sys; from qdash.jobs.client import ensure_worker; ensure_worker(sys.argv[1])"


def test_many_callers_start_one_worker(store: Store) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", STARTER, store.url], env=environment()) for _ in range(2)]
    threads = [threading.Thread(target=client.ensure_worker, args=(store.url,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(20) for process in processes] == [0, 0]
    pid = _worker_pid(store)
    time.sleep(0.3)
    assert _log().count(" starts (pid ") == 1
    assert _worker_pid(store) == pid


def test_an_idle_worker_leaves_and_the_next_job_starts_another(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDASH_WORKER_IDLE_S", "0.5")
    first = _run(store)
    client.enqueue(store.url, first)
    _wait(store, first, lambda r: r.final)
    assert _wait_until(lambda: store.workers.list() == [])
    assert not client.worker_state(store.url).alive
    second = _run(store)
    client.enqueue(store.url, second)  # perhaps while the first worker still holds its lock
    assert _wait(store, second, lambda r: r.final).status == "done"
    assert _wait_until(lambda: not client._held(client.worker_lock(store.url)))


def test_a_run_that_was_marked_but_never_queued_is_found_by_the_next_worker(store: Store) -> None:
    run_id = _run(store)
    store.runs.queue(run_id)  # and the page died here
    client.ensure_worker(store.url)
    assert _wait(store, run_id, lambda r: r.final).status == "done"


def test_a_run_of_an_older_job_format_is_queued_afresh(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = _run(store)
    with monkeypatch.context() as older:
        older.setattr(names, "JOB_FORMAT", "0")
        client.enqueue(store.url, run_id, start_worker=False)
    client.ensure_worker(store.url)
    assert _wait(store, run_id, lambda r: r.final).status == "done"


def test_the_job_of_a_dead_machine_is_taken_over(store: Store) -> None:
    run_id = _run(store)
    client.enqueue(store.url, run_id, start_worker=False)
    _claim_as(store, "another-machine:all")
    store.workers.announce("another-machine:all", "another-machine", 1)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE worker SET heartbeat = heartbeat - 3600")
    client.ensure_worker(store.url)
    assert _wait(store, run_id, lambda r: r.final).status == "done"
    assert [worker.name for worker in store.workers.list()] == [names.worker_name()]


def _claim_as(store: Store, executor: str) -> None:
    import sqlite3

    connection = sqlite3.connect(names.dbos_url(store.url).partition(":///")[2])
    with connection:
        connection.execute("UPDATE workflow_status SET status = 'PENDING', executor_id = ?", (executor,))
    connection.close()


def test_a_finished_run_s_follow_up_is_computed(store: Store) -> None:
    text = json.dumps({"kind": KIND, "spec": {"steps": 1}})
    run_id = _run(store, follow_up=text)
    client.enqueue(store.url, run_id)
    _wait(store, run_id, lambda r: r.final)
    assert _wait_until(lambda: bool(store.runs.list(parent=run_id)))
    (child,) = store.runs.list(parent=run_id)
    assert (child.kind, json.loads(child.spec), child.model) == (KIND, {"steps": 1}, "m")
    assert _wait(store, child.id, lambda r: r.final).status == "done"


def test_a_follow_up_is_made_once_and_without_a_spec_is_its_own(store: Store) -> None:
    text = json.dumps({"kind": "measure", "top": 3})
    run = store.runs.get(_run(store, follow_up=text))
    first = create_follow_up(store, run)
    assert create_follow_up(store, run) == first
    assert first is not None
    following = store.runs.get(first)
    assert (following.kind, following.spec, following.parent) == ("measure", text, run.id)
    assert create_follow_up(store, following) is None


def test_dbos_keeps_its_tables_beside_the_store(store: Store) -> None:
    client.enqueue(store.url, _run(store), start_worker=False)
    assert names.dbos_url("sqlite:////a/b/qdash.sqlite") == "sqlite:////a/b/qdash.dbos.sqlite"
    assert names.dbos_url("postgresql+psycopg://u:p@h/d") == "postgresql+psycopg://u:p@h/d"
    assert (Path(os.environ["QDASH_HOME"]) / "qdash.dbos.sqlite").exists()
    with store._engine.connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    assert "workflow_status" not in tables


def test_queueing_prints_nothing_and_imports_dbos_only_then() -> None:
    code = (
        "import sys; from qdash.jobs import client; from qdash.store.store import Store\n"
        "from qdash.store.runs import NewRun\n"
        "assert not {'dbos', 'torch', 'streamlit', 'pandas'} & set(sys.modules)\n"
        "s = Store.open(); r = s.runs.create(NewRun('probe', '{}', 'm', 'd'))\n"
        "client.enqueue(s.url, r, start_worker=False)\n"
        "assert 'dbos' in sys.modules and not {'torch', 'streamlit'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
