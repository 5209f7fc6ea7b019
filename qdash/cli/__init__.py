"""The command line; what is heavy is imported inside the commands, so that help comes at once."""

import os
import signal
import sys

ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main() -> None:
    """Runs a command: exit 0 done, 2 the input is wrong (one line on stderr), 1 a fault of ours, 130 interrupted."""
    # Threads that spin while they wait cost several times the work itself when the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _end_like_ctrl_c()
    from qdash.cli.app import run

    sys.exit(run(sys.argv[1:]))


def _end_like_ctrl_c() -> None:
    """A system that shuts down and a terminal that closes keep what is done, too."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants it so
            signal.signal(number, signal.default_int_handler)
