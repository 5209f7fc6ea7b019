"""The server around the pages: what happens at its start, and when a page fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from qdash import home
from qdash.errors import InputError, QdashError
from qdash.faults import as_qdash_error
from qdash.jobs.client import ensure_worker
from qdash.store.store import Store
from qdash.ui.overview.demo_run import ensure_demo
from qdash.ui.security import Gatekeeper
from qdash.ui.words import escaped

LOG = logging.getLogger("qdash.ui")


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Opens or migrates the store and sees that a worker runs, beside the first visit instead of before it."""
    preparing = asyncio.create_task(asyncio.to_thread(prepare))
    yield
    with suppress(asyncio.CancelledError):
        await preparing


def prepare() -> None:
    """What a page would do at its first visit. A problem is logged: the page that meets it again shows it."""
    try:
        with Store.open() as store:
            ensure_demo(store)
            ensure_worker(home.store_url())
    except QdashError as error:
        LOG.error("%s", error)


def show_error(error: Exception) -> bool:
    """One line on the page; the trace of an unexpected error goes to the logs only."""
    known = as_qdash_error(error)
    if isinstance(known, InputError):
        st.error(escaped(str(known)), icon=":material/error:")
    else:
        st.error(f"Something went wrong: {escaped(str(known))}. Reload the page to try again.", icon=":material/error:")
    return True


OPTIONS: dict[str, Any] = {
    "lifespan": lifespan,
    "on_script_error": show_error,
    "middleware": [Middleware(Gatekeeper)],
}
