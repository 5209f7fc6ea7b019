"""What can be done with one run of the history."""

import streamlit as st

from qdash.answers.deleting import delete_run
from qdash.store.runs import Run
from qdash.ui import progress, state
from qdash.ui.describe import STATUS, run_title
from qdash.ui.links import go_button
from qdash.ui.start import attempted
from qdash.ui.words import escaped


def show_actions(run: Run) -> None:
    """Open, watch, use again, stop or resume, delete."""
    with st.container(border=True, key="runs_actions"):
        st.markdown(f"**{escaped(run_title(run))}** · {STATUS[run.status][2].lower()} · run {run.id}")
        progress.show_trouble(run)
        with st.container(horizontal=True):
            if run.kind == "sweep":
                go_button("Open", "pages/overview.py", icon=":material/open_in_new:", primary=True, run=run.id)
            go_button("Watch", "pages/live.py", icon=":material/monitoring:", run=run.id)
            if run.kind == "sweep" and st.button("Use its settings", icon=":material/content_copy:", key="runs_clone"):
                st.switch_page("pages/new_run.py", query_params={"from": run.id})
            progress.show_controls(run)
            if st.button("Delete", icon=":material/delete:", key="runs_delete", disabled=run.status == "running"):
                confirm_delete(run.id, run_title(run))


@st.dialog("Delete this run?")
def confirm_delete(run_id: str, title: str) -> None:
    """Asks first; a deleted run can't be brought back."""
    st.write(
        f"**{escaped(title)}**: its results, what was measured from it, and the files that no other run uses "
        "(calibration, fine-tuned weights) are gone for good then."
    )
    said: list[str] = []
    with st.container(horizontal=True):
        pressed = st.button("Delete", type="primary", icon=":material/delete:", key="confirm_delete")
        if pressed and attempted(lambda: said.append(str(delete_run(state.store(), run_id)))):
            st.toast(said[0], icon=":material/check:")
            state.forget_run(run_id)
            st.rerun()
        if st.button("Keep it", key="confirm_keep"):
            st.rerun()
