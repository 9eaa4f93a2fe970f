"""Clocks: who waits for whom."""
