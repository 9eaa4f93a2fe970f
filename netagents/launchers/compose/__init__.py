"""The compose launcher: one container per node."""
