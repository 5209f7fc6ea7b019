"""How long a result takes to stand in a browser: the real app, a real Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.running import ROOT

VISITS = 3
_IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
_START_S = 60


def seconds_to_draw(home: Path) -> tuple[list[float], list[float]]:
    """From the click on a link to the chart: in a fresh tab, which loads Plotly first, and in one that has drawn
    before. Each in fresh browser contexts; the first visit warms the server."""
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with _server(home) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        fresh, again = [], []
        for _ in range(VISITS + 1):
            page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
            page.goto(f"{url}/runs")  # a page without charts, with the app's scripts loaded
            fresh.append(_drawn(page))
            page.get_by_role("link", name="Runs").first.click()
            page.wait_for_selector(".js-plotly-plot", state="detached", timeout=_START_S * 1000)
            again.append(_drawn(page))
            page.context.close()
        browser.close()
    return fresh[1:], again[1:]


def _drawn(page: Page) -> float:
    page.wait_for_selector(_IDLE, timeout=_START_S * 1000)
    started = time.monotonic()
    page.get_by_role("link", name="Layers").first.click()
    page.wait_for_selector(".js-plotly-plot .main-svg", timeout=_START_S * 1000)
    return time.monotonic() - started


@contextmanager
def _server(home: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    environment = os.environ | {"QDASH_HOME": str(home)}
    process = subprocess.Popen(
        [*command, "--server.headless", "true"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_health(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def _await_health(url: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
