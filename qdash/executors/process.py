"""The `process` executor: a fresh child process that only this process's pipes tie to it."""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, ClassVar

from qdash import errors
from qdash.errors import QdashError
from qdash.executors.base import REGISTRY, Executor, ShouldStop, Work
from qdash.executors.scheduling import thread_limits
from qdash.executors.spawning import environment
from qdash.limits import JobLimits
from qdash.records.scores import Record

POLL_S = 0.2  # how often `should_stop` is asked while the child computes
_END = ("end", None)


@REGISTRY.register("process")
class ProcessExecutor(Executor):
    """Runs in a fresh child process of low priority: edited model files count, memory comes back when it ends, and a
    crash is the job's failure alone. Costs the import of torch, about two seconds, per job."""

    isolated: ClassVar[bool] = True

    @contextmanager
    def open(self, kind: str, spec: str, artifacts: str) -> Iterator[Work]:
        """Starts the child, and kills it with everything it started when the context is left."""
        child = _ChildProcess()
        try:
            for _ in child.ask("open", kind, spec, artifacts, sys.path):
                pass
            yield ProcessWork(child)
        finally:
            child.kill()


class ProcessWork:
    """A Work whose computation happens in the child."""

    def __init__(self, child: "_ChildProcess"):
        self._child = child

    def advance(self, position: str | None, should_stop: ShouldStop) -> Iterator[Record]:
        """See `Work.advance`; `should_stop` is asked here, between records and five times a second."""
        return self._child.ask("advance", position, should_stop=should_stop)

    def close(self) -> None:
        """The child ends with the context that opened it, and everything it touched with it."""


class _ChildProcess:
    """The process, a request at a time; each reply carries the number of its request."""

    def __init__(self) -> None:
        limits = JobLimits.read()
        # The child must not import this process's __main__ (a Streamlit page, perhaps), so no multiprocessing.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qdash.executors.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**thread_limits(), **environment()},
            process_group=0,  # a Ctrl-C in the terminal is the parent's to handle
        )
        self._ended_because: str | None = None
        if limits.any:
            threading.Thread(target=self._watch, args=(limits,), daemon=True).start()
        self._replies: queue.SimpleQueue[tuple[int, str, Any]] = queue.SimpleQueue()
        self._request = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, what: str, *arguments: object, should_stop: ShouldStop = lambda: False) -> Iterator[Record]:
        """Sends a request and yields what comes back; raises the error that ended it."""
        self._request += 1
        request, stopped = self._request, False
        self._send(what, request, *arguments)
        try:
            while (reply := self._reply(request)) != _END:
                if not stopped and should_stop():
                    self._send("stop", request)
                    stopped = True
                if reply is not None:
                    yield _record(*reply)
        except GeneratorExit:
            self._send("stop", request)
            raise

    def kill(self) -> None:
        """Ends the child and its own children at once; what it still computes nobody waits for."""
        _kill_group(self._process)
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _close_quietly(pipe)

    def _send(self, *message: object) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # where the child is gone, `_reply` finds out and tells why
            self._process.stdin.write(pickle.dumps(message))
            self._process.stdin.flush()

    def _reply(self, request: int) -> tuple[str, Any] | None:
        """The next reply to a request; None when there is none within POLL_S."""
        try:
            number, what, value = self._replies.get(timeout=POLL_S)
        except queue.Empty:
            code = self._process.poll()
            if code is not None and not self._reader.is_alive() and self._replies.empty():
                raise self._death(code) from None
            if code is not None:
                _kill_group(self._process)  # a grandchild may hold the pipe open
            return None
        return (what, value) if number == request else None

    def _watch(self, limits: JobLimits) -> None:
        """Ends the child once it breaks a limit."""
        began = time.monotonic()
        while self._process.poll() is None:
            if reason := limits.broken_by(self._process.pid, began):
                self._ended_because = reason
                _kill_group(self._process)
                return
            time.sleep(POLL_S)

    def _death(self, code: int) -> QdashError:
        return QdashError(f"the job was ended: {self._ended_because}") if self._ended_because else _death(code)

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._replies.put(pickle.load(self._process.stdout))
        except (EOFError, OSError):
            return
        except Exception as error:
            self._replies.put((self._request, "error", (["QdashError"], f"a record can't be read: {error}")))


def _record(what: str, value: Any) -> Record:
    if what == "error":
        raise _error(*value)
    record: Record = value
    return record


def _error(classes: list[str], message: str) -> QdashError:
    """An error as the child had it, or its nearest ancestor of `qdash.errors`: the class may live beside torch."""
    known = (getattr(errors, name, None) for name in classes)
    kind = next((k for k in known if isinstance(k, type) and issubclass(k, QdashError)), QdashError)
    error = kind.__new__(kind)
    error.args = (message,)
    return error


def _death(code: int) -> QdashError:
    if code >= 0:
        return QdashError(f"the job's process ended by itself (exit code {code}); look for its last words in the log")
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    out_of_memory = "; it may have run out of memory: try a smaller --batch-size" if -code == signal.SIGKILL else ""
    remedy = out_of_memory or "; a native library crashed: try --device cpu, or resume to go on from the last step"
    return QdashError(f"the job's process died (signal {-code}, {name}){remedy}")


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):  # nothing of the group may be left
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _close_quietly(pipe: IO[bytes]) -> None:
    with suppress(OSError):  # unsent bytes for a dead child
        pipe.close()
