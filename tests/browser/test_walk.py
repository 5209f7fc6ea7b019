"""A stranger's walk through the app in a real browser: the demo's answer, a run of one's own, its layers, a decision.

Fails on any exception box, page error, server trace, or console error other than Streamlit's own probing for
`_stcore/health` and `_stcore/host-config` under a page's path.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from qdash.jobs.client import ensure_worker, worker_state
from qdash.store.store import Store

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
HARMLESS = re.compile(r"_stcore/(health|host-config)|Failed to load resource.*404")

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists() and not os.environ.get("QDASH_REQUIRE_BROWSER"),
    reason="no Chromium on this machine; install Debian's chromium to run the walk",
)


class Server:
    """The app on a free port with a home of its own."""

    def __init__(self, home: Path):
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        self.url, self.log = f"http://127.0.0.1:{port}", home / "server.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--server.headless", "true"],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_health()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """The server alone; its worker is detached."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait(timeout=20)

    def end_worker(self, how: signal.Signals = signal.SIGTERM) -> None:
        """The worker of this home, by the id that it left in the store."""
        state = worker_state(self.store_url)
        if state.alive and state.pid:
            os.kill(state.pid, how)

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.home / 'qdash.sqlite'}"

    def _await_health(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2)
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("the server did not come up")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with an empty home; ends with everything it started, and left no trace in its log."""
    for name, value in {"QDASH_HOME": str(tmp_path), "QDASH_WORKER_IDLE_S": "5", "QDASH_NICE": "0"}.items():
        monkeypatch.setenv(name, value)
    started = Server(tmp_path)
    try:
        yield started
    finally:
        started.end()
        started.end_worker()
    assert "Traceback" not in started.log.read_text()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Visit:
    """A page of a fresh browser context that remembers everything that went wrong."""

    def __init__(self, browser: Browser, url: str, **context):
        self.url, self.problems = url, []
        self._context = browser.new_context(viewport={"width": 1366, "height": 768}, **context)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.settle()

    def settle(self) -> None:
        """Waits until the script has run, and fails on what a user must never see."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        assert self.page.locator("[data-testid=stException]").count() == 0
        assert not self.problems, self.problems

    def close(self) -> None:
        self._context.close()
        assert not self.problems, self.problems

    def _console(self, message) -> None:
        if message.type == "error" and not HARMLESS.search(f"{message.text} {message.location.get('url', '')}"):
            self.problems.append(f"console: {message.text}")

    def _request(self, request) -> None:
        if not request.url.startswith((self.url, self.url.replace("http", "ws"), "data:", "blob:")):
            self.problems.append(f"request to elsewhere: {request.url}")


def test_the_walk(server, browser):
    """Cold deep link first: the frame must stand before anybody has opened the start page."""
    visit = Visit(browser, server.url)
    page = visit.page
    visit.open("/runs")
    expect(page.get_by_test_id("stSidebarNav").get_by_text("Overview")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    visit.open("/")
    expect(page.get_by_role("heading", name="Which layers should stay in FP32?")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Keep \d+ of 21 layers in FP32")).first).to_be_visible(timeout=120_000)
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    visit.settle()

    page.get_by_test_id("stSidebarNav").get_by_text("New run").click()
    visit.settle()
    page.get_by_role("button", name="Look at it").or_(page.get_by_role("button", name="Look again")).first.click()
    expect(page.get_by_text("MACs per sample").first).to_be_visible(timeout=60_000)
    visit.settle()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/live\?.*run="))
    run = re.search(r"run=([\w-]+)", page.url).group(1)
    expect(page.get_by_role("button", name="Look at the layers")).to_be_visible(timeout=120_000)
    visit.settle()

    page.get_by_role("button", name="Look at the layers").click()
    page.wait_for_url(re.compile(r"/layers"))
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    visit.settle()
    visit.open(f"/decide?run={run}")
    expect(page.get_by_role("heading", name="Which layers stay in FP32?")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    visit.settle()
    answer = page.get_by_text(re.compile(r"Keep \d+ of \d+ layers|No layer needs FP32")).first.inner_text()
    visit.close()

    fresh = Visit(browser, server.url, color_scheme="dark")
    fresh.open(f"/decide?run={run}")
    expect(fresh.page.get_by_text(answer).first).to_be_visible()
    fresh.settle()
    fresh.close()


@pytest.mark.parametrize("victim", ["server", "worker"])
def test_killing_the_server_or_the_worker_loses_nothing(victim, server, browser):
    """kill -9 in the middle of the demo's sweep: what was found is kept, and the answer comes all the same."""
    visit = Visit(browser, server.url)
    visit.page.goto(server.url)
    store = Store.open(server.store_url)
    _await(lambda: any(run.done for run in store.runs.list(kind="sweep")), "the demo's sweep did not begin")
    (run,) = store.runs.list(kind="sweep")
    found = {(s.kind, s.subject, s.batch): s.sums for s in store.scores.read(run.id)}
    visit._context.close()
    if victim == "server":
        server.end(signal.SIGKILL)
    else:
        killed = worker_state(server.store_url).pid
        server.end_worker(signal.SIGKILL)
        _await(lambda: ensure_worker(server.store_url) or worker_state(server.store_url).pid != killed, "no new worker")
    _await(lambda: store.runs.get(run.id).status == "done", "the sweep was not finished", seconds=120)
    after = {(s.kind, s.subject, s.batch): s.sums for s in store.scores.read(run.id)}
    assert found
    assert all(after[key]["seconds"] == sums["seconds"] for key, sums in found.items())  # kept, not measured again
    store.close()


def _await(condition, problem, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.1)
