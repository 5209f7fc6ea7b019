"""Which requests reach the pages, and what every answer tells the browser."""

import asyncio
import tomllib
from pathlib import Path

import pytest
import streamlit as st

from qdash.ui import security
from qdash.ui.security import Gatekeeper, headers
from qdash.ui.words import escaped

CONFIG = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text())


@pytest.fixture(autouse=True)
def _team(monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda _: ["qdash.example.com", "*.lab.example.org"])


def asked(kind="http", path="/", host="localhost:8501", origin=None):
    """(messages sent, whether the application was reached)."""
    sent, reached = [], []

    async def app(scope, receive, send):
        reached.append(scope["path"])
        start = {"type": "http.response.start", "status": 200, "headers": [(b"X-Frame-Options", b"ALLOWALL")]}
        await send(start if kind == "http" else {"type": "websocket.accept"})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    given = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    scope = {"type": kind, "path": path, "headers": given}
    asyncio.run(Gatekeeper(app)(scope, receive, send))
    return sent, bool(reached)


@pytest.mark.parametrize(
    "host", ["localhost:8501", "127.0.0.1", "[::1]:8501", "LOCALHOST.", "qdash.example.com", "a.lab.example.org:443"]
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_known_hosts_are_served(host, kind):
    _, reached = asked(kind, host=host, origin=f"https://{host}" if kind == "websocket" else None)
    assert reached


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "localhost.evil.example.com", "", "user@localhost", "localhost:port", "lab.example.org.evil"],
)
def test_other_hosts_get_a_line_that_says_how(host):
    (start, body), reached = asked(host=host)
    assert (start["status"], reached) == (403, False)
    assert b"--server.allowedHosts NAME" in body["body"]
    (closing,), reached = asked("websocket", host=host)
    assert (closing["type"], reached) == ("websocket.close", False)


def test_a_websocket_of_another_site_is_refused_before_anything_asks_outside():
    (closing,), reached = asked("websocket", origin="https://evil.example.com")
    assert (closing["type"], reached) == ("websocket.close", False)
    assert asked("websocket", origin=None)[1]  # no browser


def test_the_metrics_of_the_server_are_nobody_s_business():
    (start, _), reached = asked(path="/_stcore/metrics")
    assert (start["status"], reached) == (404, False)


def test_every_answer_has_the_headers_once():
    (start,), _ = asked()
    found = {name.lower(): value for name, value in start["headers"]}
    assert len(found) == len(start["headers"])
    assert found[b"x-frame-options"] == b"DENY"
    assert found[b"x-content-type-options"] == b"nosniff"
    policy = found[b"content-security-policy"].decode()
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert policy.count("sha256-") >= 1


def test_the_hashes_are_those_of_streamlit_s_page():
    page = (Path(st.__file__).parent / "static" / "index.html").read_text()
    assert page.count("<script>") == len(security._inline_scripts())
    assert headers() is headers()


def test_the_configuration_names_local_hosts_and_asks_nobody():
    assert set(CONFIG["server"]["allowedHosts"]) == set(security.LOCAL_NAMES)
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["browser"] == {"gatherUsageStats": False, "serverAddress": "localhost"}


@pytest.mark.parametrize(
    "text",
    ["![x](http://a.b/c.png)", "[click](http://a.b)", "<b>x</b>", "www.evil.com", "a@b.c", "http://evil.com",
     "&lt;b&gt;", ":red[x]", ":material/home:", "$x$",
     "# title", "- item", "1. item", "1) item", "+ item", "a | b", "~~x~~", "`x`"],
)  # fmt: skip
def test_escaped_text_is_text(text):
    from markdown_it import MarkdownIt

    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(escaped(text))
    assert "<p>" in shown
    for mark in ("<a", "<img", "<b>", "<li", "<h1", "<code", "<s>", "<table"):
        assert mark not in shown
    for special in ("www.", "a@b", "http:"):
        assert special not in escaped(text)
    for mark in ":$":  # Streamlit's own colours, icons and formulas
        assert escaped(text).count(f"\\{mark}") == text.count(mark)
