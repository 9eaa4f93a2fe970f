"""The environment server's process."""
