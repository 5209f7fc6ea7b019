"""The `inline` executor."""

from contextlib import AbstractContextManager, closing

from qdash.executors.base import REGISTRY, Executor, Work, build_work


@REGISTRY.register("inline")
class InlineExecutor(Executor):
    """Runs in the process that asks. Starts at once; edited model files count only in a new process, and a crash of
    the model ends the process."""

    def open(self, kind: str, spec: str, artifacts: str) -> AbstractContextManager[Work]:
        """Leaving the context closes the work; nothing else was started."""
        return closing(build_work(kind, spec, artifacts))
