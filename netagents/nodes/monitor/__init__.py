"""The monitor's process, and where it writes."""
