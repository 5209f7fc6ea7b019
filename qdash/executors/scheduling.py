"""How much of the machine a job takes: the cores it may use, and the priority it runs at."""

import os
from contextlib import suppress
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
NICENESS = 10  # the pages of a laptop stay quick while a job runs


def usable_cores(quota: Path = CPU_QUOTA) -> int:
    """The cores of this process's affinity mask, or fewer where the control group's quota is lower."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if allowed == "max" else max(1, min(cores, int(allowed) // int(period)))


def thread_limits() -> dict[str, str]:
    """Environment variables for a new process.

    torch doesn't see a container's quota, and is slower with more threads than cores. Threads that spin while they
    wait cost several times the work itself where the cores are shared (measured: 7.3 CPU seconds instead of 1.9).
    """
    waiting = {"OMP_WAIT_POLICY": "PASSIVE"}
    cores = usable_cores()
    if cores >= (os.cpu_count() or 1):
        return waiting
    return waiting | {"OMP_NUM_THREADS": str(cores), "MKL_NUM_THREADS": str(cores)}


def be_nice(*, whole_session: bool = False) -> None:
    """Lowers this process's priority to QDASH_NICE (NICENESS by default; 0 on a machine that does nothing else).

    whole_session: also its session's, for a process that leads one: where Linux groups sessions, it weighs them
    against each other first.
    """
    if not hasattr(os, "nice"):
        return
    niceness = int(os.environ.get("QDASH_NICE") or NICENESS)
    os.nice(max(0, niceness - os.nice(0)))
    if whole_session:
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness))
