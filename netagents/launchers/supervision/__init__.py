"""Supervision of a run's processes: start, watch, restart, end."""
