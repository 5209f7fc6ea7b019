"""decide: to come."""

import streamlit as st

st.title("decide")
