"""layers: to come."""

import streamlit as st

st.title("layers")
