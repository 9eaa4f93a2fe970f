"""Measures of power and of its concentration."""
