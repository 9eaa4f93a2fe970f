"""Launcher ``compose``: one container per node."""
