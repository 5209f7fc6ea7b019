"""`app`: starts the dashboard, from a checkout or from what was installed."""

import importlib.util
import os
import re
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

import qdash
from qdash.errors import InputError, MissingLibraryError, QdashError

PACKAGE = Path(qdash.__file__).parent
PLACES = (PACKAGE / "dashboard", PACKAGE.parent)  # where setup.py puts the scripts of a wheel; a checkout


def app(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="default: 8501, or the next free one")] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on; default: this machine only")] = None,
) -> None:
    """Start the dashboard. Options of Streamlit are passed on, such as --server.headless true."""
    for word in context.args:
        if word.startswith("-") and not re.match(r"--\w+\.\w", word):
            raise InputError(f"no such option: {word}; app takes --port, --host and Streamlit's, such as --theme.base")
    if importlib.util.find_spec("streamlit") is None:
        raise MissingLibraryError("the dashboard", "streamlit")
    if port is not None:
        check_free(host or "127.0.0.1", port)
    given = {"--server.port": port, "--server.address": host}
    options = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    command = [sys.executable, "-m", "streamlit", "run", str(script()), *options, *context.args]
    # Not a child: whoever ends this process ends the server.
    os.execv(sys.executable, command)


def script() -> Path:
    """`app.py`, with its pages and its `.streamlit/config.toml` beside it."""
    found = next((place / "app.py" for place in PLACES if (place / "app.py").is_file()), None)
    if found is None:
        raise QdashError(f"no app.py in {' or '.join(map(str, PLACES))}; install qdash again")
    return found


def check_free(host: str, port: int) -> None:
    """Raises InputError where nobody could listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InputError(f"can't listen on {host}:{port}: {error.strerror}; give another --port or --host") from error
