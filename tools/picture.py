"""README's picture: `python -m tools.picture` starts the app on a fresh home and waits for the demo's answer.

Needs Chromium and requirements-dev.txt; nothing but this machine is asked.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from qdash.jobs.client import worker_state

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "overview.png"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SCREEN = ViewportSize(width=1366, height=768)
WAIT_MS = 240_000


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The address of the app on that home; it and its worker are ended by their ids."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {"QDASH_HOME": str(home), "QDASH_WORKER_IDLE_S": "5"}
    os.environ.pop("QDASH_STORE_URL", None)
    command = [sys.executable, "-m", "qdash", "app", "--port", str(port), "--server.headless", "true"]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        if worker := worker_state(f"sqlite:///{home / 'qdash.sqlite'}").pid:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)


def take(page: Page, url: str) -> None:
    """The overview, once the demo's sweep and its measured curve are there and nothing moves any more."""
    for _ in range(120):
        with suppress(Exception):  # the server is still starting
            page.goto(url)
            break
        page.wait_for_timeout(500)
    page.get_by_text(re.compile(r"Keep \d+ of \d+ layers in FP32")).first.wait_for(timeout=WAIT_MS)
    page.get_by_test_id("stSidebar").get_by_text("Done").wait_for(timeout=WAIT_MS)
    page.reload()
    page.locator(".js-plotly-plot").first.wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_timeout(2000)  # fonts, and the entrance of the chart
    PICTURE.parent.mkdir(exist_ok=True)
    page.screenshot(path=PICTURE)


def main() -> None:
    """Writes docs/images/overview.png."""
    folder = tempfile.TemporaryDirectory
    with folder() as home, folder() as profile, served(Path(home)) as url, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS, viewport=SCREEN, color_scheme="light"
        )
        take(context.pages[0], url)
        context.close()
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
