"""A run on its way: how far, how long still, what went wrong, and the buttons that stop it or let it go on."""

import time

import streamlit as st

from qdash import home
from qdash.errors import QdashError
from qdash.jobs import client
from qdash.results.text import duration, share
from qdash.store.runs import Run
from qdash.store.store import Store
from qdash.ui import start, state
from qdash.ui.describe import KINDS, STATUS, run_title, seconds_taken, share_done
from qdash.ui.eta import Pace
from qdash.ui.words import escaped

POLL_S = 1.0
GAP_S = 30.0  # between the end of a sweep and the birth of its follow-up at most


def unfinished(store: Store) -> list[Run]:
    """Every run that waits or runs, oldest first."""
    runs = store.runs.list(status="running", limit=None) + store.runs.list(status="queued", limit=None)
    return sorted(runs, key=lambda run: run.created)


def measurements_of(store: Store, run: Run) -> list[Run]:
    """The measurements that belong to a sweep, newest first."""
    return store.runs.list(kind="measure", parent=run.id, limit=None) if run.kind == "sweep" else []


def on_its_way(store: Store, run: Run) -> bool:
    """Whether more about the run will come by itself: it is computed, measured, or about to be measured."""
    if not run.final:
        return True
    children = measurements_of(store, run)
    if any(not child.final for child in children):
        return True
    expected = run.status == "done" and run.follow_up is not None and not children
    return expected and run.finished is not None and time.time() - run.finished.timestamp() < GAP_S


def show_progress(run: Run) -> None:
    """One line and a bar; needs no other state than the run's row."""
    word = STATUS[run.status][2]
    if run.status == "queued":
        st.progress(share_done(run), text=f"{KINDS.get(run.kind, run.kind)}: queued{_waiting_for()}")
    elif run.status == "running":
        st.progress(share_done(run), text=f"{KINDS.get(run.kind, run.kind)}: {_how_far(run)}")
    else:
        taken = seconds_taken(run)
        st.progress(share_done(run), text=f"{KINDS.get(run.kind, run.kind)}: {word.lower()}, {taken}")


def show_trouble(run: Run) -> None:
    """For a run that did not end well: one line that says what is wrong, and what can be done."""
    if run.status == "failed":
        with st.container(border=True, key=f"trouble_{run.id}"):
            st.error(escaped(run.error or "The run failed without a message."), icon=":material/error:")
            st.caption(
                "Nothing that was found is lost. Mend the cause and resume, or start a new run with other settings. "
                f"The worker's log is {home.logs() / 'worker.log'}."
            )
    elif run.status in ("cancelled", "interrupted"):
        why = f": {escaped(run.error)}" if run.error else ""
        kept = f"{share(share_done(run))} of the work is kept, and every value below holds for the samples so far."
        st.warning(f"{STATUS[run.status][2]}{why}. {kept} Resume goes on from there.", icon=STATUS[run.status][0])


def show_controls(run: Run) -> None:
    """Cancel while it runs, resume where it stopped."""
    with st.container(horizontal=True):
        if not run.final:
            if run.cancel_requested:
                st.button("Cancelling", icon=":material/cancel:", disabled=True, key=f"cancelling_{run.id}")
            elif st.button("Cancel", icon=":material/cancel:", key=f"cancel_{run.id}"):
                start.cancel(run.id)
        elif run.status != "done" and _resume_pressed(run) and start.resume(run.id):
            st.rerun()


def show_running(runs: list[Run]) -> None:
    """Jobs that wait or run, each with its bar and a link to the live page."""
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center", key=f"job_{run.id}"):
            show_progress(run)
            st.page_link(
                "pages/live.py", label=run_title(run), icon=":material/monitoring:", query_params={"run": run.id}
            )


def see_that_a_worker_runs(run: Run) -> None:
    """A queued run needs a worker; one that left or was killed is replaced. Who computes a run itself may be gone."""
    state.settle(home.store_url())
    if run.status not in ("queued", "running") or run.attempt == 0:
        return
    try:
        client.ensure_worker(home.store_url())
    except QdashError as error:
        st.warning(escaped(str(error)), icon=":material/power_off:")


def _resume_pressed(run: Run) -> bool:
    return st.button("Resume", icon=":material/play_arrow:", type="primary", key=f"resume_{run.id}")


def _waiting_for() -> str:
    return " for the worker" if client.worker_state(home.store_url()).alive else "; a worker is being started"


def _how_far(run: Run) -> str:
    key, now = f"pace_{run.id}", time.monotonic()
    before = st.session_state.get(key)
    pace: Pace = before.seen(now, run.done) if before else Pace(now, run.done)
    st.session_state[key] = pace
    left = pace.seconds_left(now, run.total)
    parts = [share(share_done(run)) if run.total else "loading model and data"]
    if run.message:
        parts.append(run.message)
    if left is not None:
        parts.append(f"about {duration(left)} left" if left >= 1 else "a moment left")
    return ", ".join(parts)
