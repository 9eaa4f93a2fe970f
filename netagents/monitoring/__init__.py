"""Monitoring: what people see of a run while it goes on, from its records (feed, page), and sinks outside the records."""
