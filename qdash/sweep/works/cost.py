"""What a work has cost since it was last asked."""

import resource
import sys
import time


class CostMeter:
    """Counts process CPU seconds and multiply-accumulates; knows the peak memory."""

    def __init__(self) -> None:
        self._cpu, self._macs = time.process_time(), 0.0

    def since_last(self, macs: float) -> dict[str, float]:
        """`macs` executed and `cpu_s` since the last call, and `peak_rss_mb` so far. `macs`: executed in all."""
        cpu = time.process_time()
        spent = {"macs": macs - self._macs, "cpu_s": cpu - self._cpu, "peak_rss_mb": peak_rss_mb()}
        self._cpu, self._macs = cpu, macs
        return spent


def peak_rss_mb() -> float:
    """Largest resident set of this process, in MB (10⁶ bytes); Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
