"""Monitor: its process, and the sinks that it writes to."""
