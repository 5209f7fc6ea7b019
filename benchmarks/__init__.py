"""Measurements of qdash beside other tools and against size; not part of the package."""
