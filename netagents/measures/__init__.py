"""Measures: what agents can do to each other."""
