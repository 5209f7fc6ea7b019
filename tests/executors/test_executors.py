"""The laws of executors over all members, and what is particular to a child process."""

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from qdash.errors import InputError, QdashError
from qdash.executors.base import REGISTRY, Work
from qdash.executors.scheduling import usable_cores
from qdash.executors.spawning import environment
from qdash.jobs.steps import never
from qdash.testing.executors import ExecutorLaws, all_records, opened

ISOLATED = [entry.name for entry in REGISTRY if entry.member.isolated]


class TestExecutors(ExecutorLaws):
    names = REGISTRY.names()


def _open(executor: str, **spec: object) -> "AbstractContextManager[Work]":
    return opened(REGISTRY.create(executor), **spec)


def test_both_executors_are_members() -> None:
    assert {"inline", "process"} <= set(REGISTRY.names())


@pytest.mark.parametrize("executor", ISOLATED)
def test_an_error_class_that_only_the_child_knows_arrives_as_its_ancestor(executor: str) -> None:
    with pytest.raises(InputError, match="odd input") as caught, _open(executor, fail={"at": 0, "how": "odd"}) as work:
        list(work.advance(None, never))
    assert type(caught.value) is InputError


@pytest.mark.parametrize("executor", ISOLATED)
def test_an_unexpected_error_names_a_file_with_the_trace(executor: str) -> None:
    with pytest.raises(QdashError) as caught, _open(executor, fail={"at": 0, "how": "surprise"}) as work:
        list(work.advance(None, never))
    message = str(caught.value)
    assert message.startswith("unexpected ValueError: a surprise over two lines; reference ")
    trace = Path(message.rpartition("trace in ")[2]).read_text()
    assert "work.py" in trace
    assert "ValueError: a surprise" in trace


@pytest.mark.parametrize("executor", ISOLATED)
@pytest.mark.parametrize(
    ("how", "told"), [("kill", r"died \(signal 9, SIGKILL\); .*batch-size"), ("exit", "exit code 3")]
)
def test_a_crash_is_an_error_and_not_the_end_of_this_process(executor: str, how: str, told: str) -> None:
    with pytest.raises(QdashError, match=told), _open(executor, fail={"at": 1, "how": how}) as work:
        all_records(work)


@pytest.mark.parametrize("executor", ISOLATED)
def test_work_runs_elsewhere_at_low_priority_and_ends_with_the_context(
    executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QDASH_NICE")
    with _open(executor, steps=1) as work:
        pid = next(iter(work.advance(None, never))).values["pid"]
        assert pid != os.getpid()
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("executor", ISOLATED)
def test_what_a_model_prints_stays_out_of_stdout(executor: str, capfd: pytest.CaptureFixture[str]) -> None:
    with _open(executor) as work:
        all_records(work)
    out, err = capfd.readouterr()
    assert out == ""
    assert "a model may print" in err


PARENT = """
import sys
from qdash.executors.base import REGISTRY
with REGISTRY.create(sys.argv[1]).open("qdash.testing.work:RehearsedWork", '{"steps": 2, "seconds": 60}', "") as work:
    for record in work.advance(None, lambda: False):
        print(getattr(record, "values", {}).get("pid"), flush=True)
"""


@pytest.mark.parametrize("executor", ISOLATED)
def test_a_killed_parent_takes_its_child_along(executor: str) -> None:
    variables = environment()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, executor], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
    assert _gone(child, within_s=5)


@pytest.mark.parametrize("executor", ISOLATED)
def test_the_main_module_is_not_run_again(executor: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    # No `if __name__ == "__main__"`, as in a Streamlit page.
    script.write_text(
        f"import sys\nprint('page runs', flush=True)\nsys.argv[1:] = [{executor!r}]\n{PARENT.replace('60', '0')}"
    )
    variables = environment()
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=variables, check=True)
    assert done.stdout.count("page runs") == 1


def test_opening_and_advancing_leave_torch_and_streamlit_out_of_the_parent() -> None:
    code = PARENT.replace("60", "0") + "print([m for m in ('torch', 'streamlit', 'dbos') if m in sys.modules])"
    variables = environment()
    done = subprocess.run(
        [sys.executable, "-c", code, "process"], capture_output=True, text=True, env=variables, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", None), ("150000 100000", 1), ("50000 100000", 1), ("garbage", None)]
)
def test_a_containers_quota_limits_the_cores(tmp_path: Path, text: str, cores: int | None) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert usable_cores(quota) == (cores or len(os.sched_getaffinity(0)))


def _gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.05)
    return False
