"""What stands between the network and the pages: which hosts may ask, and the headers of every answer."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import streamlit as st

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_HIDDEN = ("/_stcore/metrics",)  # open to everybody by default

Message: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class Gatekeeper:
    """ASGI middleware: foreign hosts and origins are refused, and answers say what a browser may do with them.

    Streamlit looks at the host of websockets only. A page of another site whose name is made to point at this machine
    (DNS rebinding) would reach the rest. A websocket with a foreign origin makes Streamlit ask an outside address for
    its own: it doesn't get that far.
    """

    def __init__(self, app: App):
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hands a request on, or answers it with 403 or 404."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif not _allowed(scope):
            await (_refuse(send) if kind == "http" else _hang_up(receive, send))
        elif scope["path"] in _HIDDEN:
            await _answer(send, 404, "not here")
        else:
            await self._app(scope, receive, _with_headers(send) if kind == "http" else send)


def allowed_hosts() -> tuple[str, ...]:
    """Names under which this server may be asked: those of this machine, and `server.allowedHosts`."""
    return (*LOCAL_NAMES, *(str(name).strip().lower().rstrip(".") for name in st.get_option("server.allowedHosts")))


def host_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether a Host header names one of the hosts; ports don't matter, `*.example.com` stands for what lies below.

    >>> host_allowed("localhost:8501", LOCAL_NAMES), host_allowed("a.example.com", ["*.example.com"])
    (True, True)
    >>> host_allowed("evil.example.com", LOCAL_NAMES), host_allowed("user@localhost", LOCAL_NAMES)
    (False, False)
    """
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if not name or parts.username is not None or parts.path or parts.query or parts.fragment:
        return False
    return any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in allowed
    )


@lru_cache(maxsize=1)
def headers() -> tuple[tuple[bytes, bytes], ...]:
    """Of every answer. Scripts: our own, Streamlit's one inline script by its hash, and inline components."""
    inline = " ".join(f"'sha256-{digest}'" for digest in _inline_scripts())
    policy = (
        f"default-src 'self'; script-src 'self' blob: {inline}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'"
    )
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
    )


def _inline_scripts() -> list[str]:
    """Hashes of the scripts within Streamlit's index page; they change with its version."""
    page = Path(st.__file__).parent / "static" / "index.html"
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), flags=re.S)
    return [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]


def _allowed(scope: Message) -> bool:
    given: dict[bytes, bytes] = dict(scope["headers"])  # type: ignore[call-overload]
    host, origin = given.get(b"host", b"").decode("latin-1"), given.get(b"origin")
    allowed = allowed_hosts()
    if not host_allowed(host, allowed):
        return False
    if scope["type"] == "http" or origin is None:
        return True
    return host_allowed(urlsplit(origin.decode("latin-1")).netloc, allowed)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = headers()
            names = {name for name, _ in ours}
            theirs = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]  # type: ignore[attr-defined]
            message = {**message, "headers": [*theirs, *ours]}
        await send(message)

    return sending


async def _refuse(send: Send) -> None:
    await _answer(send, 403, "This host is not allowed here. Add its name at the start: --server.allowedHosts NAME")


async def _hang_up(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the client sees 403


async def _answer(send: Send, status: int, text: str) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [plain, *headers()]})
    await send({"type": "http.response.body", "body": text.encode()})
