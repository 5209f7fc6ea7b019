"""The child of the `process` executor: requests come in on stdin, records go out on what was stdout."""

import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

from qdash.errors import QdashError
from qdash.executors.base import Work, build_work
from qdash.executors.scheduling import be_nice
from qdash.faults import as_qdash_error
from qdash.records.scores import Record


def main() -> None:
    """Serves requests until stdin ends, which it does when the parent is gone, however it went."""
    requests, replies = _private_pipes()
    be_nice()
    WorkServer(requests, replies).serve()


class WorkServer:
    """One Work, a request at a time; `stop` and the end of stdin are seen by a thread while it computes."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO):
        self._stdin, self._replies = requests, replies
        self._requests: queue.SimpleQueue[tuple[str, int, *tuple[object, ...]]] = queue.SimpleQueue()
        self._stopped_request = 0
        self._work: Work | None = None

    def serve(self) -> None:
        """Answers each request with records and an end, or with an error."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            what, request, *arguments = self._requests.get()
            try:
                for record in getattr(self, f"_{what}")(request, *arguments):
                    self._reply(request, "record", record)
                self._reply(request, "end", None)
            except (Exception, SystemExit) as error:
                self._reply(request, "error", _described(as_qdash_error(error)))

    def _open(self, _request: int, kind: str, spec: str, artifacts: str, path: list[str]) -> Iterator[Record]:
        sys.path[:] = path
        self._work = build_work(kind, spec, artifacts)
        return iter(())

    def _advance(self, request: int, position: str | None) -> Iterator[Record]:
        if self._work is None:
            raise QdashError("the work was not opened")
        return self._work.advance(position, lambda: self._stopped_request >= request)

    def _listen(self) -> None:
        try:
            while True:
                message = pickle.load(self._stdin)
                if message[0] == "stop":
                    self._stopped_request = message[1]
                else:
                    self._requests.put(message)
        except (EOFError, OSError, pickle.UnpicklingError):
            _end_group()

    def _reply(self, request: int, what: str, value: object) -> None:
        message = pickle.dumps((request, what, value))  # whole or not at all: it may refuse a value halfway
        self._replies.write(message)
        self._replies.flush()


def _described(error: QdashError) -> tuple[list[str], str]:
    return [kind.__name__ for kind in type(error).__mro__], str(error)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Requests and replies on descriptors of their own: a model may read its stdin (empty) and print (to stderr)."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, replies


def _end_group() -> None:
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
