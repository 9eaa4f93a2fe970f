"""Sinks: places outside the records to which the monitor writes, each in a process of its own that may fail or block without harm."""
