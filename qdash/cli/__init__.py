"""The command line; what is heavy is imported inside the commands, so that help comes at once."""

import os
import sys


def main() -> None:
    """Runs a command: exit 0 done, 2 the input is wrong (one line on stderr), 1 a fault of ours, 130 interrupted."""
    # Threads that spin while they wait cost several times the work itself when the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from qdash.cli.app import run

    sys.exit(run(sys.argv[1:]))
