"""Makes the virtual environments of the peers, one after the other: `python -m benchmarks.setup [NAME …]`."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.environments import ENVIRONMENTS, default_folder, make, missing


def main() -> int:
    """0 if every environment asked for is ready."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.setup", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(ENVIRONMENTS)}")
    parser.add_argument("--environments", type=Path, default=default_folder(), metavar="DIR")
    given = parser.parse_args()
    unknown = set(given.names) - set(ENVIRONMENTS)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; choose from {', '.join(ENVIRONMENTS)}")
    reasons = [_made(given.environments, name) for name in given.names or ENVIRONMENTS]
    return 1 if any(reasons) else 0


def _made(folder: Path, name: str) -> str | None:
    started = time.monotonic()
    reason = make(folder, name) if missing(folder, name) else None
    sys.stdout.write(f"{name}: {reason or 'ready'} ({time.monotonic() - started:.0f} s)\n")
    sys.stdout.flush()
    return reason


if __name__ == "__main__":
    sys.exit(main())
