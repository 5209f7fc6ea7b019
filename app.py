"""The dashboard: `streamlit run app.py`. Launcher and script in one file."""

# `streamlit run` imports this file once as the launcher and then runs it for every visit. A plain st.navigation beside
# a folder `pages/` would let the first link into a cold server skip this file; the call below rules that out.
import logging

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:
    from qdash.ui.frame import pages
    from qdash.ui.server import OPTIONS

    _context_log = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    _context_log.setLevel(logging.ERROR)  # no visit yet, and none is needed
    st.navigation(pages(), position="hidden")
    _context_log.setLevel(logging.WARNING)
    app = st.App(__file__, **OPTIONS)
else:
    from qdash.ui.frame import render

    render()
