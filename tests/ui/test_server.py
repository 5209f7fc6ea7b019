"""The server around the pages: preparing at the start, errors in one line."""

import asyncio

from streamlit.testing.v1 import AppTest

from qdash import home as places
from qdash.store.store import Store
from qdash.ui import server


def test_the_start_prepares_store_demo_and_worker(home, queued, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(server, "ensure_worker", started.append)

    async def serve() -> None:
        async with server.lifespan(None):
            pass

    asyncio.run(serve())
    with Store.open() as store:
        assert [run.id for run in store.runs.list()] == queued
    assert started == [places.store_url()]


def test_a_store_that_can_not_be_opened_is_logged_not_raised(home, monkeypatch, caplog):
    monkeypatch.setenv("QDASH_STORE_URL", "sqlite:////proc/nowhere/qdash.sqlite")
    server.prepare()
    assert caplog.records[-1].levelname == "ERROR"
    assert "Traceback" not in caplog.text


def test_an_unexpected_error_is_one_line_and_its_trace_is_in_the_logs(home):
    def page() -> None:
        from qdash.ui.server import show_error

        show_error(ZeroDivisionError("a secret\nof two lines"))

    app = AppTest.from_function(page).run()
    (error,) = app.error
    assert "Something went wrong" in error.value
    assert "reference" in error.value
    assert "\n" not in error.value
    (trace,) = places.logs().glob("error-*.txt")
    assert "ZeroDivisionError" in trace.read_text()


def test_a_wrong_input_is_shown_as_it_is(home):
    def page() -> None:
        from qdash.errors import DataError
        from qdash.ui.server import show_error

        show_error(DataError("the set is empty; give at least one sample"))

    (error,) = AppTest.from_function(page).run().error
    assert error.value == "the set is empty; give at least one sample"
    assert not list(places.logs().glob("error-*.txt"))
